"""Scores, choice, triggers and canonical forms."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from tidemill.v1.data_pb2 import DataArrived
from tidemill.v1.monitoring_pb2 import DRIFT_ACTION_RETRAIN, DRIFT_ACTION_TELL_DATA_ENGINEER, DriftDetected
from tidemill_contracts.pipeline import Pipeline
from tidemill_runtime.errors import InvalidInput
from tidemill_trainer.domain.canonical import canonical_json
from tidemill_trainer.domain.choice import winner
from tidemill_trainer.domain.scores import METRICS, Outcomes, check_metrics, measure
from tidemill_trainer.domain.triggers import data_starts_training, drift_starts_training

TRUTHS = np.array([0, 0, 1, 1])
SCORES = np.array([0.1, 0.6, 0.4, 0.9])
OUTCOMES = Outcomes(TRUTHS, (SCORES > 0.5).astype(int), np.stack([1 - SCORES, SCORES], axis=1))


def _pipeline(**triggers: object) -> Pipeline:
    return Pipeline.model_validate(
        {
            "apiVersion": "tidemill/v1",
            "name": "toy",
            "model": "toy",
            "task": "regression",
            "sources": {"s": {"event_time": "at", "fields": {"at": {"type": "timestamp"}, "x": {"type": "float"}}}},
            "primary": "s",
            "label": {"name": "y", "delay": "1d"},
            "features": ["x"],
            "seed": 1,
            "training_code": "t.py",
            "candidates": [{"name": "a", "algorithm": "b"}],
            "metrics": ["mae"],
            "primary_metric": "mae",
            "triggers": triggers,
        }
    )


def _data(days: int) -> DataArrived:
    data = DataArrived(pipeline="toy", version=1, rows=10)
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    data.from_time.FromDatetime(begin)
    data.to_time.FromDatetime(begin + timedelta(days=days))
    return data


def test_classification_metrics_are_the_textbook_values() -> None:
    values = measure(["auc", "log_loss", "accuracy", "error_rate", "precision", "recall", "f1"], OUTCOMES)

    assert values["auc"] == 0.75
    assert values["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.9]).mean())
    assert [values[name] for name in ("accuracy", "error_rate", "precision", "recall", "f1")] == [0.5] * 5


def test_regression_metrics_are_the_textbook_values() -> None:
    values = measure(["mae", "rmse"], Outcomes(np.array([0.0, 0.0]), np.array([3.0, -4.0])))

    assert values == {"mae": 3.5, "rmse": pytest.approx(12.5**0.5)}


def test_a_metric_that_the_rows_cannot_give_is_left_out() -> None:
    one_class = Outcomes(np.array([1, 1]), np.array([1, 1]), np.array([[0.2, 0.8], [0.1, 0.9]]))

    assert set(measure(["auc", "accuracy"], one_class)) == {"accuracy"}


def test_a_metric_of_another_task_is_refused_with_those_that_fit() -> None:
    with pytest.raises(InvalidInput, match="mae, rmse"):
        check_metrics(["auc"], "regression")


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_the_winner_has_the_better_value_whatever_its_direction(metric: str) -> None:
    better, worse = (0.9, 0.1) if METRICS[metric].higher_is_better else (0.1, 0.9)

    assert winner({"a": {metric: worse}, "b": {metric: better}}, metric) == "b"
    assert winner({"a": {metric: better}, "b": {metric: better}}, metric) == "a"
    assert winner({"a": {}, "b": {metric: worse}}, metric) == "b"
    assert winner({"a": {}}, metric) is None


def test_the_first_data_trains_once_it_spans_enough() -> None:
    pipeline = _pipeline(data_arrived="first", first_span="56d")

    assert not data_starts_training(pipeline, _data(55), has_run=False)
    assert data_starts_training(pipeline, _data(56), has_run=False)
    assert not data_starts_training(pipeline, _data(80), has_run=True)


def test_every_data_version_trains_if_the_pipeline_says_so() -> None:
    pipeline = _pipeline(data_arrived="every", first_span="56d")

    assert not data_starts_training(pipeline, _data(1), has_run=False)
    assert data_starts_training(pipeline, _data(56), has_run=False)
    assert data_starts_training(pipeline, _data(58), has_run=True)


def test_data_never_trains_if_the_pipeline_says_so() -> None:
    assert not data_starts_training(_pipeline(data_arrived="never"), _data(99), has_run=False)


def test_only_drift_that_asks_for_it_trains() -> None:
    retrain = DriftDetected(action=DRIFT_ACTION_RETRAIN)

    assert drift_starts_training(_pipeline(), retrain)
    assert not drift_starts_training(_pipeline(drift=False), retrain)
    assert not drift_starts_training(_pipeline(), DriftDetected(action=DRIFT_ACTION_TELL_DATA_ENGINEER))


def test_canonical_json_has_one_form_and_no_nan() -> None:
    assert canonical_json({"b": 1, "a": ["é"]}) == '{"a":["é"],"b":1}'.encode()
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json(float("nan"))
