"""Rows in the cells of a reference profile: each value's cell as an integer, and profiles made of counted cells."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tidemill.v1.profile_pb2 import ColumnProfile as ColumnMessage
from tidemill.v1.profile_pb2 import DataProfile as ProfileMessage
from tidemill_stats.arrays import FloatArray, IntArray
from tidemill_stats.profile import CategoricalProfile, DataProfile, NumericProfile

from tidemill_monitor.domain.fixed import STEPS

Values = FloatArray | Sequence[str]


@dataclass(frozen=True)
class NumberCells:
    """Cells of a column of numbers: one per bin, then missing, then infinite. Values are summed as deviations from
    `centre` in units of `spread`."""

    name: str
    start: int
    edges: FloatArray
    centre: float
    spread: float
    missing_in_training: bool
    infinite_in_training: bool

    @property
    def size(self) -> int:
        return self.edges.size + 3

    def codes(self, values: FloatArray) -> IntArray:
        """The cell of each value, shape [n]."""
        codes = self.start + self.edges.searchsorted(values)
        odd = ~np.isfinite(values)
        if odd.any():
            codes[odd] = self.start + self.edges.size + 1 + np.isinf(values[odd])
        return codes

    def message(self, counts: IntArray, sums: Sequence[int], low: float, high: float) -> ColumnMessage:
        bins = counts[self.start : self.start + self.edges.size + 1]
        missing, infinite = counts[self.start + self.edges.size + 1 : self.start + self.size].tolist()
        message = ColumnMessage(name=self.name, missing=missing + infinite, infinite=infinite)
        numeric, present = message.numeric, int(bins.sum())
        numeric.edges.extend(self.edges.tolist())
        numeric.counts.extend(bins.tolist())
        numeric.min, numeric.max = low, high
        if low == high:
            numeric.mean = low
        elif present:
            mean = sums[0] / STEPS / present
            numeric.mean = self.centre + self.spread * mean
            squares = sums[1] / STEPS - present * mean * mean
            numeric.variance = self.spread**2 * max(0.0, squares) / max(1, present - 1)
        return message


@dataclass(frozen=True)
class CategoryCells:
    """Cells of a column of categories: one per kept category, then others, then missing."""

    name: str
    start: int
    categories: tuple[str, ...]
    places: Mapping[str, int]
    missing_in_training: bool

    @property
    def size(self) -> int:
        return len(self.categories) + 2

    def codes(self, values: Sequence[str]) -> IntArray:
        """The cell of each value, shape [n]; the empty string is missing."""
        other = self.start + len(self.categories)
        places = self.places
        return np.array([places.get(value, other) for value in values], dtype=np.int64)

    def message(self, counts: IntArray) -> ColumnMessage:
        cells = counts[self.start : self.start + self.size].tolist()
        message = ColumnMessage(name=self.name, missing=cells[-1])
        message.categorical.other = cells[-2]
        message.categorical.counts.update(zip(self.categories, cells, strict=False))
        return message


class ProfileCells:
    """The cells of all columns of a reference, numbered from `start` on."""

    def __init__(self, reference: DataProfile, start: int) -> None:
        self.numbers: list[NumberCells] = []
        self.categories: list[CategoryCells] = []
        at = start
        for name, column in reference.columns.items():
            cells = _category_cells(name, at, column) if isinstance(column, CategoricalProfile) else None
            if cells is None:
                assert isinstance(column, NumericProfile)
                numbers = _number_cells(name, at, column)
                self.numbers.append(numbers)
                at += numbers.size
            else:
                self.categories.append(cells)
                at += cells.size
        self.end = at

    @property
    def columns(self) -> int:
        return len(self.numbers) + len(self.categories)

    def codes(self, columns: Mapping[str, Values], rows: int) -> IntArray:
        """The cells of each row, shape [rows, columns]; numbers must have been rounded to float32."""
        codes = np.empty((self.columns, rows), dtype=np.int64)
        for place, number in enumerate(self.numbers):
            codes[place] = number.codes(columns[number.name])  # type: ignore[arg-type]
        for place, category in enumerate(self.categories, start=len(self.numbers)):
            codes[place] = category.codes(columns[category.name])  # type: ignore[arg-type]
        return codes.T

    def deviations(self, columns: Mapping[str, Values], rows: int) -> tuple[FloatArray, FloatArray]:
        """The numbers, shape [rows, numbers], and in reference deviations from the reference mean; NaN is missing."""
        values = np.empty((len(self.numbers), rows))
        for place, number in enumerate(self.numbers):
            values[place] = columns[number.name]
        values[~np.isfinite(values)] = np.nan
        centres = np.array([number.centre for number in self.numbers])[:, np.newaxis]
        spreads = np.array([number.spread for number in self.numbers])[:, np.newaxis]
        return values.T, ((values - centres) / spreads).T

    def message(
        self, rows: int, counts: IntArray, sums: IntArray, lows: FloatArray, highs: FloatArray
    ) -> ProfileMessage:
        """Profile of `rows` rows from their counted cells; `sums`: of `fixed_point` of the deviations, [numbers, 2]."""
        columns: list[ColumnMessage] = [
            number.message(counts, sums[place].tolist(), float(lows[place]), float(highs[place]))
            for place, number in enumerate(self.numbers)
        ]
        columns.extend(category.message(counts) for category in self.categories)
        columns.sort(key=lambda column: column.name)
        return ProfileMessage(rows=rows, columns=columns)


def _number_cells(name: str, start: int, column: NumericProfile) -> NumberCells:
    spread = math.sqrt(column.moments.variance)
    return NumberCells(
        name=name,
        start=start,
        edges=column.edges,
        centre=column.moments.mean if math.isfinite(column.moments.mean) else 0.0,
        spread=spread if math.isfinite(spread) and spread > 0 else 1.0,
        missing_in_training=column.missing > column.infinite,
        infinite_in_training=column.infinite > 0,
    )


def _category_cells(name: str, start: int, column: CategoricalProfile) -> CategoryCells:
    places = {category: start + place for place, category in enumerate(column.categories)}
    places[""] = start + len(column.categories) + 1
    return CategoryCells(name, start, column.categories, places, column.missing > 0)
