"""Metrics by which models are compared: one registry; another metric is one more function here."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk
from tidemill_runtime.errors import InvalidInput
from tidemill_stats.performance import log_loss as row_log_loss

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Outcomes:
    """Truths and what a model says of them.

    `truths` and `predictions`: shape [n], class indices or numbers; `probabilities`: shape [n, classes], None for
    regression.
    """

    truths: Array
    predictions: Array
    probabilities: Array | None = None


@dataclass(frozen=True)
class Metric:
    """A number that sums up outcomes, and its better direction."""

    compute: Callable[[Outcomes], float]
    higher_is_better: bool
    task: str


def _auc(outcomes: Outcomes) -> float:
    """Area under the ROC curve, 0 to 1; for more than two classes the mean of one against the rest."""
    assert outcomes.probabilities is not None
    present = np.unique(outcomes.truths)
    classes = outcomes.probabilities.shape[1]
    if len(present) < classes:
        return math.nan
    if classes == 2:
        return float(sk.roc_auc_score(outcomes.truths, outcomes.probabilities[:, 1]))
    return float(sk.roc_auc_score(outcomes.truths, outcomes.probabilities.astype(np.float64), multi_class="ovr"))


def _log_loss(outcomes: Outcomes) -> float:
    """Mean logarithmic loss in nats, as the monitor computes it."""
    assert outcomes.probabilities is not None
    return float(row_log_loss(outcomes.truths, outcomes.probabilities).mean())


def _average(outcomes: Outcomes) -> str:
    assert outcomes.probabilities is not None
    return "binary" if outcomes.probabilities.shape[1] == 2 else "macro"


METRICS: Mapping[str, Metric] = {
    "auc": Metric(_auc, True, "classification"),
    "log_loss": Metric(_log_loss, False, "classification"),
    "accuracy": Metric(lambda o: float(np.mean(o.truths == o.predictions)), True, "classification"),
    "error_rate": Metric(lambda o: float(np.mean(o.truths != o.predictions)), False, "classification"),
    "precision": Metric(
        lambda o: float(sk.precision_score(o.truths, o.predictions, average=_average(o), zero_division=0.0)),
        True,
        "classification",
    ),
    "recall": Metric(
        lambda o: float(sk.recall_score(o.truths, o.predictions, average=_average(o), zero_division=0.0)),
        True,
        "classification",
    ),
    "f1": Metric(
        lambda o: float(sk.f1_score(o.truths, o.predictions, average=_average(o), zero_division=0.0)),
        True,
        "classification",
    ),
    "mae": Metric(lambda o: float(sk.mean_absolute_error(o.truths, o.predictions)), False, "regression"),
    "rmse": Metric(lambda o: float(sk.root_mean_squared_error(o.truths, o.predictions)), False, "regression"),
    "squared_error": Metric(lambda o: float(sk.mean_squared_error(o.truths, o.predictions)), False, "regression"),
    "absolute_error": Metric(lambda o: float(sk.mean_absolute_error(o.truths, o.predictions)), False, "regression"),
}
"""Name in pipeline files and events to metric."""


def check_metrics(names: Sequence[str], task: str) -> None:
    """Raise InvalidInput unless every name is a metric of the task."""
    fitting = sorted(name for name, metric in METRICS.items() if metric.task == task)
    for name in names:
        if name not in fitting:
            raise InvalidInput(f"metric {name!r} is not one of {task}: {', '.join(fitting)}")


def measure(names: Sequence[str], outcomes: Outcomes) -> dict[str, float]:
    """Metric name to value; a metric that these rows cannot give (the AUC of one class) is left out."""
    values = {name: METRICS[name].compute(outcomes) for name in names}
    return {name: value for name, value in values.items() if math.isfinite(value)}
