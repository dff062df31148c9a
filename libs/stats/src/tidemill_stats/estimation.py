"""Performance without labels: what a classifier's own probabilities say of its errors, and whether labels agree."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tidemill_stats.arrays import FloatArray
from tidemill_stats.calibration import Calibration
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.multivariate import ShiftResult
from tidemill_stats.performance import auc_from_histograms
from tidemill_stats.scores import FIXED_POINT, ScoreSums
from tidemill_stats.tails import pearson3_two_sided

_MINIMUM_ROWS = 30


@dataclass(frozen=True)
class EstimatedMetric:
    """A metric of `rows` rows before their labels are known, in the metric's unit; NaN where it is undefined.

    `variance` and `third`: second and third central moment of what the labels will show, by chance in the labels given
    the probabilities. `calibration_variance` and `calibration_third`: of `mean`, because the calibration was estimated.
    """

    rows: int
    mean: float
    variance: float
    third: float
    calibration_variance: float
    calibration_third: float = 0.0

    def interval(self, coverage: float = 0.95, *, design_effect: float = 1.0) -> tuple[float, float]:
        """Where the metric lies with a probability of `coverage` once all labels are known.

        By the normal distribution with both variances; `design_effect` >= 1 multiplies that of the labels (Kish 1965,
        "Survey Sampling"). Raises InvalidInput for values out of range.
        """
        if not 0 < coverage < 1:
            raise InvalidInput(f"coverage must lie in 0..1, not {coverage}")
        reach = float(ndtri(0.5 + coverage / 2)) * math.sqrt(self._moments(design_effect)[0])
        return self.mean - reach, self.mean + reach

    def compare(self, realised: float, *, design_effect: float = 1.0) -> ShiftResult:
        """Tests that labels agree with the estimate; `realised`: the metric of the same rows with their labels.

        A change that the features' distribution alone brings about leaves calibrated probabilities right and both
        sides equal; a small p-value says that the labels no longer follow from the features as they did: concept drift
        (Moreno-Torres et al. 2012, "A unifying view on dataset shift in classification", Pattern Recognition 45).

        Two-sided; the tails are Pearson's type III, right to the third moment. The statistic is z, the effect the
        realised less the estimated metric. The p-value is 1 below 30 rows or where either is NaN. `design_effect` >= 1
        as in `interval`.
        """
        variance, third = self._moments(design_effect)
        difference = realised - self.mean
        if self.rows < _MINIMUM_ROWS or not math.isfinite(difference):
            return ShiftResult(0.0, 1.0, difference if math.isfinite(difference) else 0.0)
        z = difference / math.sqrt(variance)
        return ShiftResult(z, pearson3_two_sided(z, third / variance**1.5), difference)

    def _moments(self, design_effect: float) -> tuple[float, float]:
        if not design_effect >= 1:
            raise InvalidInput(f"design_effect must be at least 1, not {design_effect}")
        variance = self.variance * design_effect + self.calibration_variance
        return variance, self.third * design_effect**2 - self.calibration_third


def estimate_error_rate(calibration: Calibration, window: ScoreSums, *, threshold: float = 0.5) -> EstimatedMetric:
    """Share of rows, 0 to 1, whose label differs from the predicted class, 1 for bins centred above `threshold`.

    Confidence-based: the mean probability of the class not chosen (Guillory et al. 2021, "Predicting with confidence on
    unseen distributions", ICCV), here by the calibrated probability of each score bin. Raises IncompatibleProfiles when
    calibration and window have not the same bins.
    """
    _require_same_bins(calibration, window)
    chosen = _centres(window) > threshold
    slopes = np.where(chosen, -1.0, 1.0)
    return _linear(calibration, window, float(window.counts[chosen].sum()), slopes)


def estimate_log_loss(calibration: Calibration, window: ScoreSums) -> EstimatedMetric:
    """Mean logarithmic loss in nats of the rows' own scores, from 0: their cross-entropy with the calibrated ones.

    Of calibrated scores it is their mean entropy. Raises IncompatibleProfiles when calibration and window have not the
    same bins. Source: Good (1952), J. R. Statist. Soc. B 14(1), in expectation.
    """
    _require_same_bins(calibration, window)
    slopes = -window.log_odds / (FIXED_POINT * np.maximum(window.counts, 1))
    return _linear(calibration, window, window.base / FIXED_POINT, slopes)


def estimate_auc(calibration: Calibration, window: ScoreSums) -> EstimatedMetric:
    """Area under the ROC curve, 0 to 1, of the expected positives and negatives per score bin.

    Its moments are those of its first-order expansion in the labels (van der Vaart 1998, "Asymptotic Statistics", ch.
    3). Raises IncompatibleProfiles when calibration and window have not the same bins.
    """
    _require_same_bins(calibration, window)
    up, down = window.counts * calibration.rate, window.counts * (1 - calibration.rate)
    positives, negatives = float(up.sum()), float(down.sum())
    area = auc_from_histograms(up, down)
    if not math.isfinite(area):
        return EstimatedMetric(window.rows, math.nan, 0.0, 0.0, 0.0)
    below, above = np.cumsum(down) - down / 2, positives - np.cumsum(up) + up / 2
    gains = (below / negatives - area) / positives - (above / positives - area) / negatives
    estimate = _linear(calibration, window, 0.0, gains * window.rows)
    return EstimatedMetric(
        window.rows, area, estimate.variance, estimate.third, estimate.calibration_variance, estimate.calibration_third
    )


def _linear(calibration: Calibration, window: ScoreSums, base: float, slopes: FloatArray) -> EstimatedMetric:
    """The metric (base + sum of the slopes of the positive rows) / rows; `slopes`: shape [bins]."""
    rows = window.rows
    if rows == 0:
        return EstimatedMetric(0, math.nan, 0.0, 0.0, 0.0)
    rate, weights = calibration.rate, window.counts * slopes / rows
    spread = rate * (1 - rate)
    return EstimatedMetric(
        rows=rows,
        mean=base / rows + float(weights @ rate),
        variance=float((weights * slopes) @ spread) / rows,
        third=float((weights * slopes**2) @ (spread * (1 - 2 * rate))) / rows**2,
        calibration_variance=calibration.variance_of(weights),
        calibration_third=calibration.third_of(weights),
    )


def _centres(window: ScoreSums) -> FloatArray:
    centres: FloatArray = (np.arange(window.counts.size) + 0.5) / window.counts.size
    return centres


def _require_same_bins(calibration: Calibration, window: ScoreSums) -> None:
    if calibration.rate.shape != window.counts.shape:
        raise IncompatibleProfiles(f"{calibration.rate.size} bins of calibration, {window.counts.size} of scores")
