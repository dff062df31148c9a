"""Distribution of each column of a table: the one definition for training data, data versions and live windows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tidemill_stats.arrays import FloatArray, IntArray, frozen_floats, frozen_ints, trusted
from tidemill_stats.column import (
    BINS,
    CATEGORY_CAP,
    CategoricalProfile,
    ColumnProfile,
    NumericProfile,
    most_frequent,
    require_same_bins,
)
from tidemill_stats.distinct import DistinctSketch
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.kll import QuantileSketch
from tidemill_stats.moments import Moments

__all__ = [
    "CategoricalProfile",
    "ColumnProfile",
    "DataProfile",
    "NumericProfile",
    "empty",
    "empty_column",
    "merge",
    "merge_columns",
    "merge_many",
    "require_same_bins",
    "require_same_columns",
]

_Sketch = TypeVar("_Sketch", QuantileSketch, DistinctSketch)


@dataclass(frozen=True)
class DataProfile:
    """Profile of each column of `rows` rows, by column name.

    `from_time` and `to_time` are the earliest and latest event time in microseconds since the epoch, None if unknown.
    Raises InvalidInput when a column does not count `rows` values, present and missing together.
    """

    rows: int
    columns: Mapping[str, ColumnProfile]
    from_time: int | None = None
    to_time: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", dict(sorted(self.columns.items())))
        for name, column in self.columns.items():
            if column.present + column.missing != self.rows:
                raise InvalidInput(f"column {name!r} counts {column.present + column.missing} values, not {self.rows}")


def require_same_columns(a: DataProfile, b: DataProfile) -> None:
    """Raises IncompatibleProfiles unless both have the same column names."""
    if a.columns.keys() != b.columns.keys():
        raise IncompatibleProfiles(f"columns differ: {sorted(a.columns.keys() ^ b.columns.keys())}")


def merge_many(profiles: Iterable[DataProfile]) -> DataProfile:
    """Profile of the rows of all `profiles`, at least one: the same to the last bit in any order; see `merge_columns`.

    Raises IncompatibleProfiles unless all have the same columns that merge, InvalidInput for no profile.
    """
    parts = list(profiles)
    if not parts:
        raise InvalidInput("no profiles to merge")
    for part in parts[1:]:
        require_same_columns(parts[0], part)
    return trusted(
        DataProfile,
        rows=sum(part.rows for part in parts),
        columns={name: merge_columns([part.columns[name] for part in parts]) for name in parts[0].columns},
        from_time=min((part.from_time for part in parts if part.from_time is not None), default=None),
        to_time=max((part.to_time for part in parts if part.to_time is not None), default=None),
    )


def merge(a: DataProfile, b: DataProfile) -> DataProfile:
    """Profile of the rows of both, as `merge_many`; commutative, associative, and `empty` is neutral."""
    return merge_many((a, b))


def merge_columns(columns: Sequence[ColumnProfile]) -> ColumnProfile:
    """Profile of the values of all `columns`, at least one.

    Equal edges or categories: counts add exactly, and merging is associative (moments up to rounding). Different
    edges: new ones at the quantiles of the merged sketches, as many as the finest column has and at least for
    `BINS` bins, with counts by rank, right within the sketch's `error` and exact in sum. Different categories: their
    union, of which the most frequent stay, as many as the longest column has and at least `CATEGORY_CAP`. A sketch
    stays if each column with values has one.

    Raises IncompatibleProfiles for different kinds, or different edges without sketches of the quantiles.
    """
    numeric = [column for column in columns if isinstance(column, NumericProfile)]
    if len(numeric) == len(columns):
        return _merge_numeric(numeric)
    categorical = [column for column in columns if isinstance(column, CategoricalProfile)]
    if len(categorical) == len(columns):
        return _merge_categorical(categorical)
    raise IncompatibleProfiles("a column of numbers is no column of categories")


def empty_column(reference: ColumnProfile) -> ColumnProfile:
    """A column profile of no values, binned as `reference`."""
    zeros = np.zeros_like(reference.counts)
    if isinstance(reference, NumericProfile):
        return NumericProfile(reference.edges, zeros, Moments(), 0)
    return CategoricalProfile(reference.categories, zeros, 0, 0)


def empty(reference: DataProfile) -> DataProfile:
    """A profile of no rows, binned as `reference`."""
    return DataProfile(0, {name: empty_column(column) for name, column in reference.columns.items()})


def _merge_numeric(columns: list[NumericProfile]) -> NumericProfile:
    edges = columns[0].edges
    quantiles = _merge_sketches(QuantileSketch.merge_all, [column.quantiles for column in columns], columns)
    if all(column.edges is edges or np.array_equal(column.edges, edges) for column in columns):
        counts = _frozen_sum([column.counts for column in columns])
    elif quantiles is not None:
        edges, counts = _bins_of(quantiles, max(BINS, *(column.counts.size for column in columns)))
    else:
        raise IncompatibleProfiles("edges differ, and not every column has a sketch of its quantiles")
    return trusted(
        NumericProfile,
        edges=edges,
        counts=counts,
        moments=Moments.merge_all([column.moments for column in columns]),
        missing=sum([column.missing for column in columns]),
        infinite=sum([column.infinite for column in columns]),
        quantiles=quantiles,
        distinct=_merge_sketches(DistinctSketch.merge_all, [column.distinct for column in columns], columns),
    )


def _merge_categorical(columns: list[CategoricalProfile]) -> CategoricalProfile:
    categories = columns[0].categories
    other = sum([column.other for column in columns])
    if all(column.categories == categories for column in columns):
        counts = _frozen_sum([column.counts for column in columns])
    else:
        union: dict[str, int] = {}
        for column in columns:
            for category, count in zip(column.categories, column.counts.tolist(), strict=True):
                union[category] = union.get(category, 0) + count
        categories = most_frequent(union, max(CATEGORY_CAP, *(len(column.categories) for column in columns)))
        counts = frozen_ints([union[category] for category in categories])
        other += sum(union.values()) - int(counts.sum())
    return trusted(
        CategoricalProfile,
        categories=categories,
        counts=counts,
        other=other,
        missing=sum([column.missing for column in columns]),
        distinct=_merge_sketches(DistinctSketch.merge_all, [column.distinct for column in columns], columns),
    )


def _merge_sketches(
    merge_all: Callable[[Sequence[_Sketch]], _Sketch],
    sketches: Sequence[_Sketch | None],
    columns: Sequence[ColumnProfile],
) -> _Sketch | None:
    """The sketch of all columns; None if a column with values has none."""
    some = [sketch for sketch in sketches if sketch is not None]
    if not some:
        return None
    if len(some) < len(columns):
        pairs = zip(sketches, columns, strict=True)
        if any(sketch is None and column.present for sketch, column in pairs):
            return None
    return merge_all(some)


def _bins_of(quantiles: QuantileSketch, bins: int) -> tuple[FloatArray, IntArray]:
    """Edges at the quantiles of at most `bins` equal shares, and the counts between them."""
    if not quantiles.count:
        return frozen_floats([]), frozen_ints([0])
    edges = np.unique(quantiles.quantiles(np.arange(1, bins) / bins))
    ranks = np.concatenate([[0], quantiles.ranks(edges), [quantiles.count]])
    return frozen_floats(edges), frozen_ints(np.diff(ranks))


def _frozen_sum(counts: list[IntArray]) -> IntArray:
    total: IntArray = sum(counts[1:], start=counts[0])
    total.setflags(write=False)
    return total
