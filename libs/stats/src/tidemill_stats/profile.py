"""Distribution of each column of a table: the one definition for training data, data versions and live windows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidemill_stats.arrays import FloatArray, IntArray, frozen_floats, frozen_ints
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.moments import Moments


@dataclass(frozen=True, eq=False)
class NumericProfile:
    """Histogram and moments of a column of numbers.

    `edges`, shape [k], strictly increasing and finite, cut the line into k + 1 bins (-inf, e1], (e1, e2], …, (ek, inf);
    `counts`, shape [k + 1], are the values per bin. `missing` counts NaN, infinite and null values, which are in
    neither `counts` nor `moments`. Raises InvalidInput when these do not hold.
    """

    edges: FloatArray
    counts: IntArray
    moments: Moments
    missing: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", frozen_floats(self.edges))
        object.__setattr__(self, "counts", frozen_ints(self.counts))
        if not (np.all(np.isfinite(self.edges)) and np.all(np.diff(self.edges) > 0)):
            raise InvalidInput("edges must be finite and strictly increasing")
        if self.counts.shape != (self.edges.size + 1,):
            raise InvalidInput(f"{self.edges.size} edges need {self.edges.size + 1} counts, not {self.counts.shape}")
        _require_counts(self.counts, self.missing)
        if self.moments.count != self.present:
            raise InvalidInput(f"moments of {self.moments.count} values do not belong to {self.present} counted values")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, NumericProfile)
            and np.array_equal(self.edges, other.edges)
            and np.array_equal(self.counts, other.counts)
            and (self.moments, self.missing) == (other.moments, other.missing)
        )

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return int(self.counts.sum())


@dataclass(frozen=True, eq=False)
class CategoricalProfile:
    """Counts of a column of categories.

    `categories`, sorted and distinct, are the kept ones and `counts`, of the same length, their values; `other` counts
    values of no kept category; `missing` counts None, NaN and "". Raises InvalidInput when these do not hold.
    """

    categories: tuple[str, ...]
    counts: IntArray
    other: int
    missing: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", frozen_ints(self.counts))
        if list(self.categories) != sorted(set(self.categories)):
            raise InvalidInput("categories must be sorted and distinct")
        if self.counts.shape != (len(self.categories),):
            raise InvalidInput(f"{len(self.categories)} categories need as many counts, not {self.counts.shape}")
        _require_counts(self.counts, self.missing, self.other)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CategoricalProfile)
            and np.array_equal(self.counts, other.counts)
            and (self.categories, self.other, self.missing) == (other.categories, other.other, other.missing)
        )

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return int(self.counts.sum()) + self.other


ColumnProfile = NumericProfile | CategoricalProfile


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


def require_same_bins(a: ColumnProfile, b: ColumnProfile) -> None:
    """Raises IncompatibleProfiles unless both are of one kind with equal edges or categories."""
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        if not np.array_equal(a.edges, b.edges):
            raise IncompatibleProfiles("edges differ")
    elif isinstance(a, CategoricalProfile) and isinstance(b, CategoricalProfile):
        if a.categories != b.categories:
            raise IncompatibleProfiles("categories differ")
    else:
        raise IncompatibleProfiles(f"a {type(a).__name__} is no {type(b).__name__}")


def require_same_columns(a: DataProfile, b: DataProfile) -> None:
    """Raises IncompatibleProfiles unless both have the same column names."""
    if a.columns.keys() != b.columns.keys():
        raise IncompatibleProfiles(f"columns differ: {sorted(a.columns.keys() ^ b.columns.keys())}")


def merge_columns(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    """Profile of the values of both; commutative, associative (moments up to rounding).

    Raises IncompatibleProfiles unless both are binned alike.
    """
    require_same_bins(a, b)
    missing = a.missing + b.missing
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        return NumericProfile(a.edges, a.counts + b.counts, a.moments.merge(b.moments), missing)
    assert isinstance(a, CategoricalProfile)
    assert isinstance(b, CategoricalProfile)
    return CategoricalProfile(a.categories, a.counts + b.counts, a.other + b.other, missing)


def merge(a: DataProfile, b: DataProfile) -> DataProfile:
    """Profile of the rows of both; commutative, associative (moments up to rounding), `empty` is neutral.

    Raises IncompatibleProfiles unless both have the same columns, binned alike: profile both against one reference.
    """
    require_same_columns(a, b)
    return DataProfile(
        rows=a.rows + b.rows,
        columns={name: merge_columns(column, b.columns[name]) for name, column in a.columns.items()},
        from_time=min((t for t in (a.from_time, b.from_time) if t is not None), default=None),
        to_time=max((t for t in (a.to_time, b.to_time) if t is not None), default=None),
    )


def empty_column(reference: ColumnProfile) -> ColumnProfile:
    """A column profile of no values, binned as `reference`."""
    zeros = np.zeros_like(reference.counts)
    if isinstance(reference, NumericProfile):
        return NumericProfile(reference.edges, zeros, Moments(), 0)
    return CategoricalProfile(reference.categories, zeros, 0, 0)


def empty(reference: DataProfile) -> DataProfile:
    """A profile of no rows, binned as `reference`."""
    return DataProfile(0, {name: empty_column(column) for name, column in reference.columns.items()})


def _require_counts(counts: IntArray, *others: int) -> None:
    if np.any(counts < 0) or any(other < 0 for other in others):
        raise InvalidInput("counts must not be negative")
