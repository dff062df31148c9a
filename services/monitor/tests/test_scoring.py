from typing import Any

import numpy as np
import pytest
from tidemill_monitor.domain.scoring import is_label, promised, score, total
from tidemill_monitor.domain.watched import Watch

OUTPUTS = np.array([[1, 0.25, 0.75], [0, 0.9, 0.1], [1, 0.4, 0.6], [np.nan, np.nan, np.nan]])


def test_only_rows_with_an_answer_and_a_truth_are_scored(make: Any) -> None:
    known = score(make.watch(), OUTPUTS, np.array([1.0, 1.0, np.nan, 1.0]))
    assert known.metrics["log_loss"].count == 2
    assert known.metrics["log_loss"].mean == pytest.approx(-(np.log(0.75) + np.log(0.1)) / 2)
    assert known.metrics["error_rate"].mean == 0.5


def test_scores_of_parts_add_up_to_the_score_of_the_whole(make: Any) -> None:
    labels = np.array([1.0, 0.0, 0.0, np.nan])
    whole = score(make.watch(), OUTPUTS, labels)
    parts = total(score(make.watch(), OUTPUTS[index : index + 1], labels[index : index + 1]) for index in range(4))
    assert parts.means == pytest.approx(whole.means)
    assert whole.means["auc"] == 1.0


def test_auc_is_left_out_until_both_labels_have_come(make: Any) -> None:
    assert "auc" not in score(make.watch(), OUTPUTS, np.ones(4)).means


def test_quantities_are_scored_by_their_errors(make: Any) -> None:
    watch = Watch(**{**make.watch().__dict__, "task": "regression", "classes": None})
    known = score(watch, np.array([[1.0], [4.0]]), np.array([2.0, 2.0]))
    assert known.means == {"squared_error": 2.5, "absolute_error": 1.5}


@pytest.mark.parametrize(("label", "possible"), [(0.0, True), (1.0, True), (2.0, False), (0.5, False), (np.nan, False)])
def test_a_label_is_one_of_the_classes(make: Any, label: float, possible: bool) -> None:
    assert is_label(make.watch(), label) is possible


@pytest.mark.parametrize(
    ("metric", "tested", "expected"),
    [
        ("log_loss", {"log_loss": 0.4}, 0.4),
        ("error_rate", {"accuracy": 0.75}, 0.25),
        ("squared_error", {"rmse": 3.0}, 9.0),
        ("squared_error", {"mse": 3.0}, 3.0),
        ("absolute_error", {"mae": 2.0}, 2.0),
        ("log_loss", {"auc": 0.7}, None),
    ],
)
def test_the_promise_is_read_from_the_test_metrics(
    metric: str, tested: dict[str, float], expected: float | None
) -> None:
    assert promised(metric, tested) == expected
