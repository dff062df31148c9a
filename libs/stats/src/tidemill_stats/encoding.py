"""Rows as points: columns of numbers and categories as coordinates of comparable size."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat

import numpy as np

from tidemill_stats.arrays import AnyArray, FloatArray, SingleArray
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput

LIMIT = 10.0
_RESOLUTION = 1024.0
_ONE_HOT = float(round(np.sqrt(0.5) * _RESOLUTION)) / _RESOLUTION
_NORMAL_QUARTILE_RANGE = 1.349


@dataclass(frozen=True)
class NumericFeature:
    """A number becomes (number - centre) / spread; `spread` > 0, both finite, else InvalidInput."""

    centre: float
    spread: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.centre) and np.isfinite(self.spread) and self.spread > 0):
            raise InvalidInput(f"need a finite centre and a spread above 0, not {self.centre} and {self.spread}")


@dataclass(frozen=True)
class CategoricalFeature:
    """A category becomes one coordinate for each of `categories`, which are sorted and distinct, else InvalidInput."""

    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        if list(self.categories) != sorted(set(self.categories)):
            raise InvalidInput("categories must be sorted and distinct")


Feature = NumericFeature | CategoricalFeature


@dataclass(frozen=True)
class Encoding:
    """How each column becomes coordinates, by column name: numeric columns first, each group sorted by name.

    - Numbers are centred by the median and scaled by the interquartile range as of a normal distribution (Huber &
      Ronchetti 2009, "Robust Statistics", ch. 5), clipped to ±10; what is missing or infinite lies at the centre.
    - A category lies at 1/√2 on its own coordinate, so that two different ones are 1 apart; rare, unseen and missing
      ones lie at 0.

    Coordinates are multiples of 2^-10, so that sums of products of them are exact and a row's results do not depend on
    the rows it is computed with.
    """

    features: Mapping[str, Feature]

    def __post_init__(self) -> None:
        ordered = sorted(self.features.items(), key=lambda item: (isinstance(item[1], CategoricalFeature), item[0]))
        object.__setattr__(self, "features", dict(ordered))

    @staticmethod
    def fit(columns: Mapping[str, AnyArray], *, category_cap: int = 10) -> "Encoding":
        """The encoding of training `columns`, arrays of shape [rows]: of numbers (NaN is missing) or objects and text.

        The `category_cap` most frequent categories of a column are kept (ties by name). Raises InvalidInput for
        columns of unequal length or another shape.
        """
        _require_rows(columns)
        return Encoding({name: _fit(array, category_cap) for name, array in columns.items()})

    @cached_property
    def width(self) -> int:
        """Number of coordinates of a row."""
        return sum(len(f.categories) if isinstance(f, CategoricalFeature) else 1 for f in self.features.values())

    def encode(self, columns: Mapping[str, AnyArray]) -> SingleArray:
        """The rows of `columns`, arrays of shape [rows] for every feature, as a matrix of shape [rows, width].

        Raises IncompatibleProfiles when a feature is missing, InvalidInput for unequal lengths or text where numbers
        are expected.
        """
        absent = self.features.keys() - columns.keys()
        if absent:
            raise IncompatibleProfiles(f"columns missing: {sorted(absent)}")
        used = {name: columns[name] for name in self.features}
        matrix = np.zeros((_require_rows(used), self.width), dtype=np.float32)
        numeric = self._scales[0].size
        if numeric:
            matrix[:, :numeric] = self._encode_numbers(list(used.items())[:numeric])
        offset = numeric
        for name, index in self._indices.items():
            places = np.fromiter(map(index.get, _texts(used[name]), repeat(-1)), dtype=np.int64)
            rows = np.flatnonzero(places >= 0)
            matrix[rows, offset + places[rows]] = _ONE_HOT
            offset += len(index)
        return matrix

    @cached_property
    def _scales(self) -> tuple[FloatArray, FloatArray]:
        numbers = [feature for feature in self.features.values() if isinstance(feature, NumericFeature)]
        centres, spreads = np.array([f.centre for f in numbers]), np.array([f.spread for f in numbers])
        return centres, spreads

    @cached_property
    def _indices(self) -> dict[str, dict[object, int]]:
        return {
            name: {category: index for index, category in enumerate(feature.categories)}
            for name, feature in self.features.items()
            if isinstance(feature, CategoricalFeature)
        }

    def _encode_numbers(self, columns: list[tuple[str, AnyArray]]) -> FloatArray:
        centres, spreads = self._scales
        values = np.stack([_numbers(name, array) for name, array in columns], axis=1)
        scaled = np.clip((values - centres) / spreads, -LIMIT, LIMIT)
        rounded: FloatArray = np.rint(np.where(np.isfinite(values), scaled, 0.0) * _RESOLUTION) / _RESOLUTION
        return rounded


def _require_rows(columns: Mapping[str, AnyArray]) -> int:
    shapes = {array.shape for array in columns.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise InvalidInput(f"columns must be of shape [rows], all alike, not {sorted(shapes)}")
    return int(next(iter(shapes))[0]) if shapes else 0


def _fit(array: AnyArray, category_cap: int) -> Feature:
    if array.dtype.kind in "biuf":
        return _fit_numbers(_single(array))
    counts = Counter(value for value in _texts(array) if isinstance(value, str) and value)
    kept = sorted(counts, key=lambda category: (-counts[category], category))[:category_cap]
    return CategoricalFeature(tuple(sorted(kept)))


def _fit_numbers(values: FloatArray) -> NumericFeature:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return NumericFeature(0.0, 1.0)
    lower, centre, upper = np.quantile(finite, [0.25, 0.5, 0.75])
    spread = (upper - lower) / _NORMAL_QUARTILE_RANGE or float(np.std(finite))
    return NumericFeature(float(centre), float(spread) or 1.0)


def _numbers(name: str, array: AnyArray) -> FloatArray:
    try:
        return _single(array)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"column {name!r}: text where numbers are expected: {error}") from error


def _single(array: AnyArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return array.astype(np.float32).astype(np.float64)


def _texts(array: AnyArray) -> list[object]:
    """The values as text, from objects as they are: what is no text there is no category."""
    values: list[object] = array.tolist() if array.dtype.kind == "O" else array.astype(str).tolist()
    return values
