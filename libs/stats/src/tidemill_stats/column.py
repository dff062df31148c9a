"""Distribution of one column: numbers in bins, or categories."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tidemill_stats.arrays import FloatArray, HashArray, IntArray, frozen_floats, frozen_ints
from tidemill_stats.distinct import DistinctSketch, text_hashes
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.kll import QuantileSketch
from tidemill_stats.moments import Moments

BINS = 20
CATEGORY_CAP = 100


@dataclass(frozen=True, eq=False)
class NumericProfile:
    """Histogram and moments of a column of numbers.

    `edges`, shape [k], strictly increasing and finite, cut the line into k + 1 bins (-inf, e1], (e1, e2], …, (ek, inf);
    `counts`, shape [k + 1], are the values per bin. `missing` counts NaN, infinite and null values, which are in
    nothing else; `infinite` are those of them that are infinite. `quantiles` is a sketch of the same values, None where
    the bins are those of a reference; `distinct` is None if distinct values were not counted. Raises InvalidInput when
    these do not hold.
    """

    edges: FloatArray
    counts: IntArray
    moments: Moments
    missing: int
    infinite: int = 0
    quantiles: QuantileSketch | None = None
    distinct: DistinctSketch | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", frozen_floats(self.edges))
        object.__setattr__(self, "counts", frozen_ints(self.counts))
        if not (np.isfinite(self.edges).all() and (self.edges[1:] > self.edges[:-1]).all()):
            raise InvalidInput("edges must be finite and strictly increasing")
        if self.counts.shape != (self.edges.size + 1,):
            raise InvalidInput(f"{self.edges.size} edges need {self.edges.size + 1} counts, not {self.counts.shape}")
        _require_counts(self.counts, self.missing, self.infinite)
        present = int(self.counts.sum())
        if self.moments.count != present:
            raise InvalidInput(f"moments of {self.moments.count} values do not belong to {present} counted values")
        if self.infinite > self.missing:
            raise InvalidInput(f"{self.infinite} infinite values cannot be among {self.missing} missing ones")
        if self.quantiles is not None and self.quantiles.count != present:
            raise InvalidInput(f"quantiles of {self.quantiles.count} values do not belong to {present} counted values")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, NumericProfile)
            and np.array_equal(self.edges, other.edges)
            and np.array_equal(self.counts, other.counts)
            and (self.moments, self.missing, self.infinite) == (other.moments, other.missing, other.infinite)
            and (self.quantiles, self.distinct) == (other.quantiles, other.distinct)
        )

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return self.moments.count


@dataclass(frozen=True, eq=False)
class CategoricalProfile:
    """Counts of a column of categories.

    `categories`, sorted and distinct, are the kept ones and `counts`, of the same length, their values; `other` counts
    values of no kept category; `missing` counts None, NaN and "". `distinct`, of all categories, is None if they were
    not counted. Raises InvalidInput when these do not hold.

    After a merge of different categories, a count is what was kept of its category: at most `other` values short. No
    profile or merge drops a category unless `CATEGORY_CAP` others, or the cap of the profile, counted as many values,
    the rule that bounds heavy hitters: Misra & Gries (1982), "Finding repeated elements"; merged: Agarwal et al.
    (2012), "Mergeable summaries", PODS.
    """

    categories: tuple[str, ...]
    counts: IntArray
    other: int
    missing: int
    distinct: DistinctSketch | None = None

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
            and self.distinct == other.distinct
        )

    @cached_property
    def present(self) -> int:
        """Values that are not missing."""
        return int(self.counts.sum()) + self.other

    @cached_property
    def places(self) -> dict[str, int]:
        """Place of each kept category in `categories`."""
        return {category: place for place, category in enumerate(self.categories)}

    @cached_property
    def hashes(self) -> HashArray:
        """Hash of each kept category, for its distinct sketch."""
        return text_hashes(self.categories)


ColumnProfile = NumericProfile | CategoricalProfile


def with_ends(column: ColumnProfile) -> ColumnProfile:
    """The same values; of numbers, a bin of its own below the least one (as float32) and above the greatest, if any.

    Both are empty: what a window counts there is beyond the range (`count_tests.out_of_range`).
    """
    if not isinstance(column, NumericProfile) or not column.present:
        return column
    below = np.nextafter(np.float32(column.moments.minimum), np.float32(-np.inf))
    ends = [float(end) for end in (below, column.moments.maximum) if np.isfinite(end)]
    edges = np.unique([*column.edges, *ends])
    counts = np.zeros(edges.size + 1, dtype=np.int64)
    np.add.at(counts, edges.searchsorted([*column.edges, column.moments.maximum]), column.counts)
    return replace(column, edges=edges, counts=counts)


def require_same_bins(a: ColumnProfile, b: ColumnProfile) -> None:
    """Raises IncompatibleProfiles unless both are of one kind with equal edges or categories."""
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
        if a.edges is not b.edges and not np.array_equal(a.edges, b.edges):
            raise IncompatibleProfiles("edges differ")
    elif isinstance(a, CategoricalProfile) and isinstance(b, CategoricalProfile):
        if a.categories != b.categories:
            raise IncompatibleProfiles("categories differ")
    else:
        raise IncompatibleProfiles(f"a {type(a).__name__} is no {type(b).__name__}")


def most_frequent(counts: Mapping[str, int], cap: int) -> tuple[str, ...]:
    """At most `cap` categories with the most values, ties by name; sorted by name."""
    if len(counts) <= cap:
        return tuple(sorted(counts))
    return tuple(sorted(sorted(counts, key=lambda category: (-counts[category], category))[:cap]))


def _require_counts(counts: IntArray, *others: int) -> None:
    if min(counts.min(initial=0), *others) < 0:
        raise InvalidInput("counts must not be negative")
