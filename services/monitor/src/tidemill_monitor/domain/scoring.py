"""Performance of single predictions, with their labels and as expected from the answers alone."""

import math

import numpy as np
from tidemill_stats.answers import row_losses, width
from tidemill_stats.arrays import BoolArray, FloatArray, IntArray
from tidemill_stats.column import CategoricalProfile
from tidemill_stats.reference import Reference

from tidemill_monitor.domain.fixed import STEPS
from tidemill_monitor.domain.watched import Watch

SCORE_BINS = 200
_PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)


def output_width(watch: Watch) -> int:
    """Values kept of an answer: label and probabilities, or the predicted quantity."""
    return width(watch.classes)


def metric_names(watch: Watch) -> tuple[str, str]:
    """The losses of labelled predictions."""
    return ("squared_error", "absolute_error") if watch.classes is None else ("log_loss", "error_rate")


def losses(watch: Watch, outputs: FloatArray, labels: FloatArray) -> list[FloatArray]:
    """Each loss of finite `outputs`, [n, output_width], against possible `labels`, [n]; in the order of the names."""
    rows = row_losses(outputs, labels, watch.classes)
    return [rows[name] for name in metric_names(watch)]


def expected_losses(outputs: FloatArray) -> list[FloatArray]:
    """Expectation of each loss of a classifier given its finite answers [n, 1 + classes] alone, if these are
    calibrated: the entropy of the probabilities in nats, and one less the probability of the class it chose.

    Source: Guillory et al. (2021), "Predicting with confidence on unseen distributions", ICCV; Garg et al. (2022),
    "Leveraging unlabeled data to predict out-of-distribution performance", ICLR.
    """
    probabilities = np.clip(outputs[:, 1:], 0.0, 1.0)
    logs = np.log(np.clip(probabilities, _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR))
    classes = probabilities.shape[1]
    chosen = np.clip(outputs[:, 0], 0, classes - 1).astype(np.int64)
    sure = probabilities[np.arange(chosen.size), chosen]
    return [-(probabilities * logs).sum(axis=1), 1.0 - sure]


def score_bins(outputs: FloatArray) -> IntArray:
    """Bin of the probability of the second of two classes, 0..SCORE_BINS - 1, of finite answers."""
    scores = np.clip(outputs[:, 2], 0.0, 1.0)
    return np.minimum((scores * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)


def log_odds(outputs: FloatArray) -> FloatArray:
    """log(p / (1 - p)) of the second of two classes, in whole steps of 2^-20, of finite answers."""
    scores = _clipped_scores(outputs)
    odds: FloatArray = np.rint((np.log(scores) - np.log1p(-scores)) * STEPS)
    return odds


def score_bases(outputs: FloatArray) -> FloatArray:
    """-log(1 - p) of the second of two classes, in nats, of finite answers."""
    return -np.log1p(-_clipped_scores(outputs))


def _clipped_scores(outputs: FloatArray) -> FloatArray:
    return np.clip(outputs[:, 2], _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR)


def is_label(watch: Watch, label: float) -> bool:
    """Whether `label` can be the truth of a prediction of this model."""
    return bool(are_labels(watch, np.array([label]))[0])


def are_labels(watch: Watch, labels: FloatArray) -> BoolArray:
    """Which of `labels`, [n], can be the truths of predictions of this model."""
    finite = np.isfinite(labels)
    if watch.classes is None:
        return finite
    known = np.where(finite, labels, -1.0)
    possible: BoolArray = finite & (known == np.floor(known)) & (known >= 0) & (known < watch.classes)
    return possible


def typical_outcome(watch: Watch, reference: Reference | None) -> float:
    """Size of a label, for the unit it is summed in: 1 for a class, else that of the answers on the test rows."""
    if watch.classes is not None or reference is None or reference.outputs is None:
        return 1.0
    answers = reference.outputs.columns.get("prediction")
    if answers is None or isinstance(answers, CategoricalProfile):
        return 1.0
    return abs(answers.moments.mean) + math.sqrt(max(answers.moments.variance, 0.0))


def typical_loss(name: str, watch: Watch, mean: float) -> float:
    """Size of a loss, for the unit it is summed in: 1 for classification, else its mean on the test rows."""
    return 1.0 if watch.classes is not None or not math.isfinite(mean) else mean
