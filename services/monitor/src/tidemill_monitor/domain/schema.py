"""Inputs as the version's training knew them: columns of the right type, and how what came breaks the schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tidemill_stats.arrays import BoolArray, FloatArray

from tidemill_monitor.domain.cells import CategoryCells, NumberCells, ProfileCells, Values

MAX_UNKNOWN = 64


@dataclass(frozen=True)
class Inputs:
    """Columns by name: numbers as float64 rounded to float32 (NaN: missing) or texts ("": missing); and by
    `<column>: <how>` the rows, bool [n], that break the schema."""

    columns: Mapping[str, Values]
    violations: Mapping[str, BoolArray]


def read_inputs(cells: ProfileCells, given: Mapping[str, Values], rows: int) -> Inputs:
    """The columns of `cells` for `rows` rows, from what was given."""
    columns: dict[str, Values] = {}
    violations: dict[str, BoolArray] = {}
    every = np.ones(rows, dtype=np.bool_)
    for number in cells.numbers:
        values = given.get(number.name)
        if isinstance(values, np.ndarray):
            columns[number.name] = _single(values)
            violations.update(_odd(number, columns[number.name]))  # type: ignore[arg-type]
        else:
            violations[f"{number.name}: {'absent' if values is None else 'text'}"] = every
            columns[number.name] = np.full(rows, np.nan)
    for category in cells.categories:
        texts = given.get(category.name)
        if texts is None:
            violations[f"{category.name}: absent"] = every
            columns[category.name] = [""] * rows
        elif isinstance(texts, np.ndarray):
            if not _has_numbers(category):
                violations[f"{category.name}: number"] = every
            columns[category.name] = _texts(category, texts)
        else:
            columns[category.name] = texts
            if not category.missing_in_training and "" in texts:
                violations[f"{category.name}: missing"] = np.array([not text for text in texts])
    unknown = sorted(given.keys() - columns.keys())[:MAX_UNKNOWN]
    violations.update((f"{name}: unknown", every) for name in unknown)
    return Inputs(columns, violations)


def _odd(number: NumberCells, values: FloatArray) -> dict[str, BoolArray]:
    odd: dict[str, BoolArray] = {}
    if np.isfinite(values).all():
        return odd
    if not number.missing_in_training and (missing := np.isnan(values)).any():
        odd[f"{number.name}: missing"] = missing
    if not number.infinite_in_training and (infinite := np.isinf(values)).any():
        odd[f"{number.name}: infinite"] = infinite
    return odd


def _single(values: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def _has_numbers(category: CategoryCells) -> bool:
    """Whether training saw numbers as categories."""
    try:
        [float(one) for one in category.categories]
    except ValueError:
        return False
    return True


def _texts(category: CategoryCells, values: FloatArray) -> Sequence[str]:
    return ["" if value != value else _text(category, value) for value in values.tolist()]


def _text(category: CategoryCells, value: float) -> str:
    whole = str(int(value)) if value.is_integer() else str(value)
    return whole if whole in category.places else str(value)
