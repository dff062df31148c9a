"""Mean, variance and range of numbers, mergeable."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidemill_stats.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class Moments:
    """Count, mean, sample variance (0 below two values) and range of finite numbers.

    Without values: mean 0, variance 0, minimum +inf, maximum -inf. Of equal values: that value exactly, variance 0.
    """

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @staticmethod
    def of(values: FloatArray) -> "Moments":
        """Moments of finite `values`, shape [n]."""
        return row_moments(values[np.newaxis], np.ones((1, values.size), dtype=np.bool_))[0]

    @staticmethod
    def merge_all(parts: Sequence["Moments"]) -> "Moments":
        """Moments of the values of all `parts`: the same to the last bit in any order, associative up to rounding.

        The sums are correctly rounded (Shewchuk 1997, "Adaptive precision floating-point arithmetic"). Source: Chan,
        Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances".
        """
        some = [part for part in parts if part.count]
        if len(some) < 2:
            return some[0] if some else Moments()
        count = sum([part.count for part in some])
        minimum, maximum = min([part.minimum for part in some]), max([part.maximum for part in some])
        if minimum == maximum:
            return Moments(count, minimum, 0.0, minimum, maximum)
        mean = math.fsum([part.count * part.mean for part in some]) / count
        within = [part.variance * (part.count - 1) for part in some]
        between = [part.count * (part.mean - mean) ** 2 for part in some]
        return Moments(count, mean, math.fsum(within + between) / (count - 1), minimum, maximum)

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of values, as `merge_all`."""
        return Moments.merge_all((self, other))


def row_moments(values: FloatArray, some: BoolArray) -> list[Moments]:
    """Moments of each row of `values`, shape [rows, n], over the cells where `some`; finite there, anything elsewhere.

    By the two-pass algorithm: the mean, then the squares of the differences from it.
    """
    counts = np.count_nonzero(some, axis=1)
    divisors = np.maximum(counts, 1)
    if some.all():
        low, high, kept = values, values, values
    else:
        low, high, kept = (np.where(some, values, fill) for fill in (np.inf, -np.inf, 0.0))
    minimum = low.min(axis=1, initial=np.inf)
    maximum = high.max(axis=1, initial=-np.inf)
    equal = minimum == maximum
    means = np.where(equal, minimum, kept.sum(axis=1) / divisors)
    differences = kept - means[:, np.newaxis]
    if kept is not values:
        differences[~some] = 0.0
    squares = np.square(differences, out=differences).sum(axis=1)
    variances = np.where(equal, 0.0, squares / np.maximum(counts - 1, 1))
    columns = (column.tolist() for column in (counts, means, variances, minimum, maximum))
    return [Moments(*row) for row in zip(*columns, strict=True)]
