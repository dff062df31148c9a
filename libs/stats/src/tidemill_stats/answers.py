"""Answers of a model as a matrix: [n, 1 + classes] of label and probabilities, or [n, 1] of the predicted quantity."""

import numpy as np

from tidemill_stats.arrays import AnyArray, FloatArray
from tidemill_stats.errors import InvalidInput
from tidemill_stats.performance import absolute_error, correctness, log_loss, squared_error


def width(classes: int | None) -> int:
    """Columns of the matrix; `classes` is None for regression."""
    return 1 if classes is None else 1 + classes


def output_columns(outputs: FloatArray, classes: int | None) -> dict[str, AnyArray]:
    """The columns whose distribution is watched, each of shape [n].

    `label` (text of the class index, empty if there is no such class) and `probability_<c>` of every class c, of the
    second alone if there are two; or `prediction`. Raises InvalidInput for a matrix of another width.
    """
    _require_width(outputs, classes)
    if classes is None:
        return {"prediction": outputs[:, 0]}
    names = np.array([str(index) for index in range(classes)] + [""], dtype=object)
    known = (outputs[:, 0] >= 0) & (outputs[:, 0] < classes)
    labels = np.where(known, outputs[:, 0], classes).astype(np.int64)
    watched = [1] if classes == 2 else range(classes)
    return {"label": names[labels], **{f"probability_{one}": outputs[:, 1 + one] for one in watched}}


def row_losses(outputs: FloatArray, labels: FloatArray, classes: int | None) -> dict[str, FloatArray]:
    """Losses of each row by metric, shape [n]: `log_loss` and `error_rate`, or `squared_error` and `absolute_error`.

    `labels`: shape [n], class indices or quantities. Raises InvalidInput for other shapes and for labels of no class.
    """
    _require_width(outputs, classes)
    if classes is None:
        answers = outputs[:, 0]
        return {"squared_error": squared_error(labels, answers), "absolute_error": absolute_error(labels, answers)}
    probabilities = np.clip(outputs[:, 1:], 0.0, 1.0)
    return {"log_loss": log_loss(labels, probabilities), "error_rate": 1.0 - correctness(labels, outputs[:, 0])}


def _require_width(outputs: FloatArray, classes: int | None) -> None:
    if outputs.ndim != 2 or outputs.shape[1] != width(classes):
        raise InvalidInput(f"answers must have shape [n, {width(classes)}], not {outputs.shape}")
