"""What is known of the means of bounded values before a change, errors of estimation included."""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import betaincinv, ndtri

from tidemill_stats.arrays import FloatArray, frozen_floats
from tidemill_stats.errors import InvalidInput

_MARGIN = 1e-3


@dataclass(frozen=True)
class Baseline:
    """Bounds [F] of the mean of each of F features before a change, within the range `low` < `high` of the values.

    Values outside [low, high] are clipped, so the means are those of clipped values. `design_effect` [F] >= 1: the
    variance of sums against that of independent rows; factors are raised to its inverse, which keeps them e-values
    (Jensen's inequality) and makes them right for long sums of short-range dependent values. Raises InvalidInput out of
    range.
    """

    mean_low: FloatArray
    mean_high: FloatArray
    low: float = 0.0
    high: float = 1.0
    design_effect: FloatArray = field(default_factory=lambda: np.ones(1))

    def __post_init__(self) -> None:
        mean_low, mean_high = np.atleast_1d(self.mean_low), np.atleast_1d(self.mean_high)
        if mean_low.shape != mean_high.shape or mean_low.ndim != 1 or not mean_low.size:
            raise InvalidInput("need two bounds of the mean for each feature")
        if not (np.all(self.low < mean_low) and np.all(mean_low <= mean_high) and np.all(mean_high < self.high)):
            raise InvalidInput("need low < mean_low <= mean_high < high")
        if np.size(self.design_effect) not in (1, mean_low.size) or not np.all(np.asarray(self.design_effect) >= 1):
            raise InvalidInput("need design effects >= 1, one for each feature")
        object.__setattr__(self, "mean_low", frozen_floats(mean_low))
        object.__setattr__(self, "mean_high", frozen_floats(mean_high))
        object.__setattr__(self, "design_effect", frozen_floats(np.broadcast_to(self.design_effect, mean_low.shape)))

    @property
    def features(self) -> int:
        """F."""
        return int(self.mean_low.size)

    @staticmethod
    def estimated(
        mean: FloatArray,
        standard_error: FloatArray,
        *,
        low: float = 0.0,
        high: float = 1.0,
        confidence: float = 0.99,
        design_effect: float | FloatArray = 1.0,
    ) -> "Baseline":
        """The baseline of means [F] known up to their standard errors [F], by normal limits.

        The promise on false alarms holds with probability `confidence` over the sample the means came from: all 2 F
        limits hold together (Bonferroni). For a rate of rare events use `rate`. Raises InvalidInput out of range.
        """
        mean, error = np.atleast_1d(mean).astype(np.float64), np.atleast_1d(standard_error).astype(np.float64)
        if not (0 < confidence < 1 and np.all(error >= 0) and np.all((low <= mean) & (mean <= high))):
            raise InvalidInput("need 0 < confidence < 1, standard errors >= 0 and low <= mean <= high")
        reach = -float(ndtri((1 - confidence) / (2 * mean.size))) * error
        return _inside(mean - reach, mean + reach, low, high, design_effect)

    @staticmethod
    def sample(
        values: FloatArray,
        *,
        low: float,
        high: float,
        confidence: float = 0.99,
        design_effect: float | FloatArray = 1.0,
    ) -> "Baseline":
        """The baseline `estimated` from a sample [n, F], n >= 2, clipped to [low, high]; missing values left out.

        The standard errors are those of independent rows, times the root of the design effect.
        """
        clipped = np.clip(values, low, high)
        present = np.count_nonzero(~np.isnan(clipped), axis=0)
        if clipped.ndim != 2 or np.any(present < 2):
            raise InvalidInput("need a sample [n, F] with two values of each feature")
        mean = np.nanmean(clipped, axis=0)
        error = np.sqrt(np.nanvar(clipped, axis=0, ddof=1) * np.asarray(design_effect) / present)
        return Baseline.estimated(mean, error, low=low, high=high, confidence=confidence, design_effect=design_effect)

    @staticmethod
    def rate(events: int, rows: int, *, confidence: float = 0.99, design_effect: float = 1.0) -> "Baseline":
        """The baseline of one rate, `events` among `rows` >= 1 independent rows, by exact limits, however rare.

        A design effect divides both counts first. Source: Clopper & Pearson 1934, Biometrika 26.
        """
        if not (0 <= events <= rows and rows > 0 and 0 < confidence < 1 and design_effect >= 1):
            raise InvalidInput("need 0 <= events <= rows, rows > 0, 0 < confidence < 1 and design_effect >= 1")
        tail, hits, misses = (1 - confidence) / 2, events / design_effect, (rows - events) / design_effect
        least = betaincinv(hits, misses + 1, tail) if hits else 0.0
        most = betaincinv(hits + 1, misses, 1 - tail) if misses else 1.0
        return _inside(np.array([least]), np.array([most]), 0.0, 1.0, design_effect)


def _inside(
    mean_low: FloatArray, mean_high: FloatArray, low: float, high: float, design_effect: float | FloatArray
) -> Baseline:
    margin = _MARGIN * (high - low)
    bounds = np.clip([mean_low, mean_high], low + margin, high - margin)
    return Baseline(bounds[0], bounds[1], low, high, np.asarray(design_effect, dtype=np.float64))
