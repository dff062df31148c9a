"""The drawn side of an evaluation: ROC points, calibration and confusion matrix, as plain lists for JSON."""

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, roc_curve

from tidemill_trainer.domain.scores import Outcomes

ROC_POINTS = 101
CALIBRATION_BINS = 10


def curves(outcomes: Outcomes) -> dict[str, Any]:
    """Curves of a classifier: `confusion_matrix` [true][predicted]; for two classes also `roc` and `calibration`.

    Empty for regression. `roc`: at most 101 points (false positive rate, true positive rate). `calibration`: per
    non-empty tenth of the predicted probability of class 1: its mean, the share of class 1 seen, the rows.
    """
    if outcomes.probabilities is None:
        return {}
    classes = outcomes.probabilities.shape[1]
    matrix = confusion_matrix(outcomes.truths, outcomes.predictions, labels=list(range(classes)))
    drawn: dict[str, Any] = {"confusion_matrix": matrix.tolist()}
    if classes == 2 and len(np.unique(outcomes.truths)) == 2:
        scores = outcomes.probabilities[:, 1].astype(np.float64)
        drawn["roc"] = _roc(outcomes.truths, scores)
        drawn["calibration"] = _calibration(outcomes.truths, scores)
    return drawn


def _roc(truths: Any, scores: Any) -> list[list[float]]:
    false_rate, true_rate, _ = roc_curve(truths, scores)
    grid = np.linspace(0, 1, ROC_POINTS)
    return [
        [round(float(x), 4), round(float(y), 4)]
        for x, y in zip(grid, np.interp(grid, false_rate, true_rate), strict=True)
    ]


def _calibration(truths: Any, scores: Any) -> list[dict[str, float]]:
    cells = np.minimum((scores * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        {
            "predicted": round(float(scores[cells == cell].mean()), 4),
            "observed": round(float(truths[cells == cell].mean()), 4),
            "rows": int(np.sum(cells == cell)),
        }
        for cell in np.unique(cells)
    ]
