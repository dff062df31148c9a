"""Performance of labelled predictions, in sums that add up over blocks, partitions and windows."""

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from tidemill_stats import (
    MeanEstimate,
    absolute_error,
    auc_from_histograms,
    correctness,
    log_loss,
    score_histograms,
    squared_error,
)
from tidemill_stats.arrays import FloatArray, IntArray

from tidemill_monitor.domain.watched import Watch

SCORE_BINS = 200


@functools.cache
def no_scores() -> IntArray:
    """An empty histogram of scores."""
    zeros = np.zeros(SCORE_BINS, dtype=np.int64)
    zeros.setflags(write=False)
    return zeros


@dataclass(frozen=True, eq=False)
class Score:
    """Per metric the sums over labelled predictions, and for two classes counts of scores by label, shape [200]."""

    metrics: Mapping[str, MeanEstimate] = field(default_factory=dict)
    positives: IntArray = field(default_factory=no_scores)
    negatives: IntArray = field(default_factory=no_scores)

    @property
    def auc(self) -> float:
        """Area under the ROC curve; NaN unless there are two classes and both have come."""
        return auc_from_histograms(self.positives, self.negatives)

    @property
    def means(self) -> dict[str, float]:
        """Mean of each metric, and `auc` where it is known."""
        means = {name: estimate.mean for name, estimate in self.metrics.items() if estimate.count}
        return means if math.isnan(self.auc) else {**means, "auc": self.auc}


def output_width(watch: Watch) -> int:
    """Values kept of an answer: label and probabilities, or the predicted quantity."""
    return 1 if watch.classes is None else 1 + watch.classes


def score(watch: Watch, outputs: FloatArray, labels: FloatArray) -> Score:
    """Performance of `outputs`, shape [n, output_width], against `labels`, shape [n]; rows with NaN are left out."""
    known = np.isfinite(labels) & np.all(np.isfinite(outputs), axis=1)
    outputs, labels = outputs[known], labels[known]
    if labels.size == 0:
        return Score()
    if watch.classes is None:
        answers = outputs[:, 0]
        return Score(
            {
                "squared_error": MeanEstimate.of(squared_error(labels, answers)),
                "absolute_error": MeanEstimate.of(absolute_error(labels, answers)),
            }
        )
    probabilities = np.clip(outputs[:, 1:], 0.0, 1.0)
    metrics = {
        "log_loss": MeanEstimate.of(log_loss(labels, probabilities)),
        "error_rate": MeanEstimate.of(1.0 - correctness(labels, outputs[:, 0])),
    }
    if watch.classes != 2:
        return Score(metrics)
    positives, negatives = score_histograms(labels, probabilities[:, 1], bins=SCORE_BINS)
    return Score(metrics, positives, negatives)


def total(scores: Iterable[Score]) -> Score:
    """The score of all rows together."""
    metrics: dict[str, MeanEstimate] = {}
    positives, negatives = no_scores(), no_scores()
    for one in scores:
        for name, estimate in one.metrics.items():
            metrics[name] = metrics.get(name, MeanEstimate()) + estimate
        positives, negatives = positives + one.positives, negatives + one.negatives
    return Score(metrics, positives, negatives)


def is_label(watch: Watch, label: float) -> bool:
    """Whether `label` can be the truth of a prediction of this model."""
    if not math.isfinite(label):
        return False
    return watch.classes is None or (label.is_integer() and 0 <= label < watch.classes)


def promised(metric: str, test_metrics: Mapping[str, float]) -> float | None:
    """What a version's test metrics promise for a watched metric, None if they do not say."""
    if metric in test_metrics:
        return test_metrics[metric]
    match metric:
        case "error_rate" if "accuracy" in test_metrics:
            return 1.0 - test_metrics["accuracy"]
        case "squared_error" if "mse" in test_metrics:
            return test_metrics["mse"]
        case "squared_error" if "rmse" in test_metrics:
            return test_metrics["rmse"] ** 2
        case "absolute_error" if "mae" in test_metrics:
            return test_metrics["mae"]
    return None
