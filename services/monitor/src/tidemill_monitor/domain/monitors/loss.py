"""Has the loss risen above what was promised? A z-test whose standard error knows that rows come in clusters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtr, stdtr
from tidemill_stats.performance import MeanEstimate

from tidemill_monitor.domain.context import MIN_ROWS

MIN_CLUSTERS = 5


@dataclass(frozen=True)
class Rise:
    """A loss beside its promise, in its own unit; `p_value` is one-sided."""

    mean: float
    promised: float
    standard_error: float
    statistic: float
    p_value: float

    @property
    def share(self) -> float:
        """0.1: a tenth above the promise. By the loss's own unit where the promise is 0."""
        return (self.mean - self.promised) / (self.promised or 1.0)


def cluster_error(clusters: Sequence[MeanEstimate]) -> float | None:
    """Standard error of the mean of all rows when rows of a cluster depend on one another; None below 5 clusters.

    From the residuals of the clusters' sums: Liang & Zeger (1986), "Longitudinal data analysis using generalized linear
    models", Biometrika 73(1); factor W / (W - 1): Cameron & Miller (2015), J. Human Resources 50(2).
    """
    known = [one for one in clusters if one.count]
    if len(known) < MIN_CLUSTERS:
        return None
    rows = sum(one.count for one in known)
    mean = sum(one.sum for one in known) / rows
    squares = sum((one.sum - one.count * mean) ** 2 for one in known)
    return math.sqrt(squares * len(known) / (len(known) - 1)) / rows


def overdispersion(clusters: Sequence[MeanEstimate]) -> float:
    """How many times the variance of the clusters' means is that of independent rows, at least 1; 1 below 5 clusters.

    The ratio of mean squares between and within clusters (Kish 1965, "Survey sampling", ch. 5).
    """
    known = [one for one in clusters if one.count > 1]
    if len(known) < MIN_CLUSTERS:
        return 1.0
    rows = sum(one.count for one in known)
    mean = sum(one.sum for one in known) / rows
    between = sum(one.count * (one.mean - mean) ** 2 for one in known) / (len(known) - 1)
    within = sum((one.count - 1) * one.variance for one in known) / (rows - len(known))
    return max(1.0, between / within) if within > 0 else 1.0


def rise(now: Sequence[MeanEstimate], promise: MeanEstimate, design_effect: float) -> Rise | None:
    """Tests that the mean loss of the windows `now`, one estimate each, is no higher than that of the test rows.

    Wald's z-test (van der Vaart 1998, "Asymptotic Statistics", ch. 15) with the promise's own standard error, variances
    times `design_effect` >= 1. From five windows on the cluster-robust error counts where it is the larger, against
    Student's t with one degree of freedom less than there are windows. None below 30 rows on either side.
    """
    total = sum(now, MeanEstimate())
    if min(total.count, promise.count) < MIN_ROWS:
        return None
    naive = total.standard_error * math.sqrt(design_effect)
    robust = cluster_error(now) or 0.0
    error = math.hypot(max(naive, robust), promise.standard_error * math.sqrt(design_effect))
    difference = total.mean - promise.mean
    if not error > 0:
        return Rise(total.mean, promise.mean, 0.0, 0.0, float(difference <= 0))
    statistic = difference / error
    clusters = sum(one.count > 0 for one in now)
    tail = stdtr(clusters - 1, -statistic) if robust > naive else ndtr(-statistic)
    return Rise(total.mean, promise.mean, error, statistic, float(tail))
