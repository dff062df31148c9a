"""Performance of a model on labelled predictions, in sums that merge."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import AnyArray, FloatArray, IntArray
from tidemill_stats.errors import InvalidInput

_PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)
_MINIMUM_COUNT = 30


@dataclass(frozen=True)
class MeanEstimate:
    """Count, sum and sum of squares of a metric's values by row; `a + b` is of the rows of both."""

    count: int = 0
    sum: float = 0.0
    sum_of_squares: float = 0.0

    @staticmethod
    def of(values: npt.ArrayLike) -> "MeanEstimate":
        """The estimate from finite `values`, shape [n]; raises InvalidInput otherwise."""
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or not np.all(np.isfinite(array)):
            raise InvalidInput("values must be finite and of shape [n]")
        return MeanEstimate(array.size, float(array.sum()), float(np.dot(array, array)))

    def __add__(self, other: "MeanEstimate") -> "MeanEstimate":
        return MeanEstimate(self.count + other.count, self.sum + other.sum, self.sum_of_squares + other.sum_of_squares)

    @property
    def mean(self) -> float:
        """Arithmetic mean; NaN without values."""
        return self.sum / self.count if self.count else math.nan

    @property
    def variance(self) -> float:
        """Sample variance (divisor n - 1); NaN below two values."""
        if self.count < 2:
            return math.nan
        return max(0.0, self.sum_of_squares - self.sum * self.mean) / (self.count - 1)

    @property
    def standard_error(self) -> float:
        """Standard error of the mean for independent rows; NaN below two values."""
        return math.sqrt(self.variance / self.count) if self.count > 1 else math.nan


def log_loss(labels: AnyArray, probabilities: AnyArray) -> FloatArray:
    """Logarithmic loss of each row in nats, shape [n], from 0 to 15.95.

    `labels`: shape [n], class indices 0..classes - 1. `probabilities`: shape [n, classes], or [n] for that of class 1
    of two; clipped at float32's epsilon from 0 and 1. Raises InvalidInput for other shapes or values.
    Source: Good (1952), "Rational decisions", J. R. Statist. Soc. B 14(1).
    """
    given = _probabilities_of(labels, probabilities)
    return -np.log(np.clip(given, _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR))


def squared_error(truths: AnyArray, predictions: AnyArray) -> FloatArray:
    """(prediction - truth)² of each row, shape [n] as both arguments; raises InvalidInput for other shapes."""
    return np.square(_errors(truths, predictions))


def absolute_error(truths: AnyArray, predictions: AnyArray) -> FloatArray:
    """|prediction - truth| of each row, shape [n] as both arguments; raises InvalidInput for other shapes."""
    return np.abs(_errors(truths, predictions))


def correctness(truths: AnyArray, predictions: AnyArray) -> FloatArray:
    """1 where the predicted class is the true one, else 0; shape [n] as both arguments, else InvalidInput.

    Its mean is the accuracy.
    """
    if truths.ndim != 1 or truths.shape != predictions.shape:
        raise InvalidInput(f"truths and predictions must have one shape [n], not {truths.shape}, {predictions.shape}")
    return np.equal(truths, predictions).astype(np.float64)


def score_histograms(labels: AnyArray, scores: AnyArray, *, bins: int = 200) -> tuple[IntArray, IntArray]:
    """Counts per equal score bin over 0..1, shape [bins] each, of rows with label 1 and of rows with label 0.

    `labels` (0 or 1) and `scores` (0 to 1): shape [n], else InvalidInput. Histograms of the same bins add up.
    """
    if bins < 2 or labels.ndim != 1 or labels.shape != scores.shape:
        raise InvalidInput(f"need bins >= 2 and labels and scores of one shape, not {labels.shape} and {scores.shape}")
    values = scores.astype(np.float64)
    if not np.all((values >= 0) & (values <= 1)) or not np.all((labels == 0) | (labels == 1)):
        raise InvalidInput("scores must lie in 0..1 and labels be 0 or 1")
    cells = np.minimum((values * bins).astype(np.int64), bins - 1)
    positives = np.bincount(cells[labels == 1], minlength=bins)
    return positives.astype(np.int64), np.bincount(cells[labels == 0], minlength=bins).astype(np.int64)


def auc_from_histograms(positives: npt.ArrayLike, negatives: npt.ArrayLike) -> float:
    """Area under the ROC curve, 0 to 1, from counts per score bin in increasing order; NaN without both labels.

    Rows in the same bin count as tied, a half: the Mann-Whitney statistic of the binned scores (Hanley & McNeil 1982,
    Radiology 143(1)). Both arguments: shape [bins], not negative, else InvalidInput.
    """
    up, down = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    if up.ndim != 1 or up.shape != down.shape or np.any(up < 0) or np.any(down < 0):
        raise InvalidInput("histograms must have one shape [bins] and no negative counts")
    pairs = float(up.sum() * down.sum())
    if pairs == 0:
        return math.nan
    return float(np.dot(up, np.cumsum(down) - down / 2)) / pairs


def _probabilities_of(labels: AnyArray, probabilities: AnyArray) -> FloatArray:
    values = probabilities.astype(np.float64)
    if values.ndim == 1:
        values = np.stack([1 - values, values], axis=1)
    if labels.ndim != 1 or values.ndim != 2 or values.shape[0] != labels.size:
        raise InvalidInput(f"labels of shape {labels.shape} do not fit probabilities of shape {probabilities.shape}")
    classes = labels.astype(np.int64)
    if np.any(classes != labels) or np.any((classes < 0) | (classes >= values.shape[1])):
        raise InvalidInput(f"labels must be whole numbers from 0 to {values.shape[1] - 1}")
    if not np.all((values >= 0) & (values <= 1)):
        raise InvalidInput("probabilities must lie in 0..1")
    given: FloatArray = values[np.arange(classes.size), classes]
    return given


def _errors(truths: AnyArray, predictions: AnyArray) -> FloatArray:
    if truths.ndim != 1 or truths.shape != predictions.shape:
        raise InvalidInput(f"truths and predictions must have one shape [n], not {truths.shape}, {predictions.shape}")
    return predictions.astype(np.float64) - truths.astype(np.float64)
