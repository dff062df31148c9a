"""Profiles made from columns of values."""

from collections import Counter
from collections.abc import Hashable, Mapping

import numpy as np

from tidemill_stats.arrays import AnyArray, FloatArray
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.moments import Moments
from tidemill_stats.profile import CategoricalProfile, ColumnProfile, DataProfile, NumericProfile

_NUMERIC_KINDS = "biuf"
_TEXT_KINDS = "OUST"


def profile_columns(
    columns: Mapping[str, AnyArray],
    *,
    reference: DataProfile | None = None,
    times: tuple[int, int] | None = None,
    bins: int = 20,
    category_cap: int = 100,
) -> DataProfile:
    """Profile of the rows of `columns`: arrays of shape [rows], one per column name.

    With a `reference`, each column is read and binned as there (a categorical column of numbers by their text), its
    categories outside the reference count as other, and the names must be the reference's. Without one, columns of
    booleans and numbers are numeric, cut into at most `bins` (>= 2) bins at quantiles of the data, and columns of
    objects and text are categorical, with the `category_cap` (>= 1) most frequent categories kept (ties by name).

    Numbers are rounded to float32 first, the precision of model inputs: otherwise 0.01 from a table and 0.01 from a
    tensor would lie on different sides of an edge at 0.01. What is not finite in float32 is missing.

    `times`: earliest and latest event time, microseconds since the epoch.

    Raises InvalidInput for columns of unequal length, another type or shape, or text where numbers are expected;
    IncompatibleProfiles when names differ from the reference's. Edges: quantiles by the inverse of the empirical
    distribution function, type 1 of Hyndman & Fan (1996), "Sample quantiles in statistical packages".
    """
    if bins < 2 or category_cap < 1:
        raise InvalidInput(f"bins must be at least 2 and category_cap at least 1, not {bins} and {category_cap}")
    lengths = {array.shape for array in columns.values()}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise InvalidInput(f"columns must be of shape [rows], all alike, not {sorted(lengths)}")
    if reference is not None and reference.columns.keys() != columns.keys():
        raise IncompatibleProfiles(f"columns differ: {sorted(reference.columns.keys() ^ columns.keys())}")
    rows = next(iter(lengths))[0] if lengths else 0
    profiles: dict[str, ColumnProfile] = {}
    for name, array in columns.items():
        try:
            profiles[name] = (
                _as_reference(array, reference.columns[name]) if reference else _as_found(array, bins, category_cap)
            )
        except InvalidInput as error:
            raise InvalidInput(f"column {name!r}: {error}") from error
    from_time, to_time = times if times is not None else (None, None)
    return DataProfile(rows, profiles, from_time, to_time)


def _as_reference(array: AnyArray, reference: ColumnProfile) -> ColumnProfile:
    if isinstance(reference, NumericProfile):
        values = _finite(array)
        return _numeric(values, reference.edges, array.size - values.size)
    return _categorical(_count_categories(array), reference.categories, array.size)


def _as_found(array: AnyArray, bins: int, category_cap: int) -> ColumnProfile:
    if array.dtype.kind in _NUMERIC_KINDS:
        values = _finite(array)
        return _numeric(values, _quantile_edges(values, bins), array.size - values.size)
    counts = _count_categories(array)
    kept = sorted(counts, key=lambda category: (-counts[category], category))[:category_cap]
    return _categorical(counts, tuple(sorted(kept)), array.size)


def _finite(array: AnyArray) -> FloatArray:
    if array.dtype.kind not in _NUMERIC_KINDS + "O":
        raise InvalidInput(f"{array.dtype} where numbers are expected")
    try:
        with np.errstate(over="ignore"):
            values = array.astype(np.float32).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"text where numbers are expected: {error}") from error
    finite: FloatArray = values[np.isfinite(values)]
    return finite


def _quantile_edges(values: FloatArray, bins: int) -> FloatArray:
    if values.size == 0:
        return np.empty(0)
    levels = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return np.unique(np.quantile(values, levels, method="inverted_cdf"))


def _numeric(values: FloatArray, edges: FloatArray, missing: int) -> NumericProfile:
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1)
    return NumericProfile(edges, counts, Moments.of(values), missing)


def _count_categories(array: AnyArray) -> dict[str, int]:
    if array.dtype.kind not in _TEXT_KINDS + _NUMERIC_KINDS:
        raise InvalidInput(f"{array.dtype} is neither a number nor text")
    counts: dict[str, int] = {}
    values: list[Hashable] = array.tolist()
    for value, count in Counter(values).items():
        if value is not None and value == value:
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            counts[text] = counts.get(text, 0) + count
    counts.pop("", None)
    return counts


def _categorical(counts: dict[str, int], categories: tuple[str, ...], rows: int) -> CategoricalProfile:
    kept = [counts.get(category, 0) for category in categories]
    present = sum(counts.values())
    return CategoricalProfile(categories, np.array(kept, dtype=np.int64), present - sum(kept), rows - present)
