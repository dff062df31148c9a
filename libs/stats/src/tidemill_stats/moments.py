"""Mean, variance and range of numbers, mergeable."""

import math
from dataclasses import dataclass

import numpy as np

from tidemill_stats.arrays import FloatArray


@dataclass(frozen=True)
class Moments:
    """Count, mean, sample variance (0 below two values) and range of finite numbers.

    Without values: mean 0, variance 0, minimum +inf, maximum -inf.
    """

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    @staticmethod
    def of(values: FloatArray) -> "Moments":
        """Moments of finite `values`, shape [n]."""
        if values.size == 0:
            return Moments()
        variance = float(np.var(values, ddof=1)) if values.size > 1 else 0.0
        return Moments(values.size, float(np.mean(values)), variance, float(np.min(values)), float(np.max(values)))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both sets of values; commutative exactly, associative up to rounding.

        Source: Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample
        variances", Stanford STAN-CS-79-773.
        """
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        count = self.count + other.count
        squares = self.variance * (self.count - 1) + other.variance * (other.count - 1)
        squares += (self.mean - other.mean) ** 2 * (self.count * other.count / count)
        return Moments(
            count=count,
            mean=(self.count * self.mean + other.count * other.mean) / count,
            variance=squares / (count - 1),
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
        )
