"""What the answers alone say of a version's performance."""

import math
from functools import lru_cache

import numpy as np
from scipy.special import ndtr
from tidemill_stats.arrays import FloatArray
from tidemill_stats.calibration import Calibration
from tidemill_stats.estimation import EstimatedMetric, estimate_error_rate, estimate_log_loss
from tidemill_stats.reference import Reference
from tidemill_stats.scores import ScoreSums

from tidemill_monitor.domain.context import MIN_ROWS
from tidemill_monitor.domain.merged import Part
from tidemill_monitor.domain.monitors.loss import Rise

ESTIMATORS = {"log_loss": estimate_log_loss, "error_rate": estimate_error_rate}


@lru_cache(maxsize=32)
def calibration_of(reference: Reference) -> Calibration | None:
    """How often each score was right on the test rows; None unless there are two classes."""
    if not reference.score_positives.any() or not reference.score_negatives.any():
        return None
    return Calibration.of(reference.score_positives, reference.score_negatives)


def estimate(reference: Reference | None, part: Part, metric: str) -> EstimatedMetric | None:
    """A loss of the answered rows before their labels are known; None unless a binary classifier's scores say."""
    calibration = calibration_of(reference) if reference is not None else None
    if calibration is None or part.scores is None or part.score_log_odds is None or metric not in ESTIMATORS:
        return None
    if part.scores.shape != calibration.rate.shape or part.score_log_odds.shape != part.scores.shape:
        return None
    return ESTIMATORS[metric](calibration, ScoreSums(part.scores, part.score_log_odds, part.score_base))


def estimated_rise(reference: Reference, part: Part, metric: str, promised: float, design_effect: float) -> Rise | None:
    """Tests that the scores promise no greater loss than those of the test rows did; in the loss's unit.

    Each row has the expected loss of its score bin, by the calibration on the test rows. A z-test of the two means (van
    der Vaart 1998, "Asymptotic Statistics", ch. 3), of which the calibration's error is a part, the rows' variances
    times `design_effect` >= 1. The rise is added to `promised`, so that what a bin's centre leaves out cancels. None
    below 30 rows or without scores.
    """
    calibration = calibration_of(reference)
    if calibration is None or part.scores is None or part.scores.shape != calibration.rate.shape:
        return None
    then, now = reference.score_positives + reference.score_negatives, part.scores
    if min(then.sum(), now.sum()) < MIN_ROWS:
        return None
    base, slopes = _line(metric, now.size)
    losses = base + slopes * calibration.rate
    shares = [counts / counts.sum() for counts in (then, now)]
    means = [float(share @ losses) for share in shares]
    variances = [float(share @ (losses - mean) ** 2) for share, mean in zip(shares, means, strict=True)]
    sampling = design_effect * (variances[0] / then.sum() + variances[1] / now.sum())
    error = math.sqrt(sampling + calibration.variance_of((shares[1] - shares[0]) * slopes))
    difference = means[1] - means[0]
    statistic = difference / error if error > 0 else 0.0
    return Rise(promised + difference, promised, error, statistic, float(ndtr(-statistic)))


def _line(metric: str, bins: int) -> tuple[FloatArray, FloatArray]:
    """Loss of a row of each bin: of a negative one, and how much more of a positive one."""
    centres = (np.arange(bins) + 0.5) / bins
    if metric == "error_rate":
        return (centres > 0.5).astype(np.float64), np.where(centres > 0.5, -1.0, 1.0)
    return -np.log1p(-centres), np.log1p(-centres) - np.log(centres)
