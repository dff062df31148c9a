"""What a run tells the monitor to compare live traffic with."""

from datetime import datetime
from pathlib import Path

from tidemill_stats.reference import reference_from_proto
from tidemill_trainer.training.run import execute
from tidemill_trainer.training.spec import RunSpec

MONITORS = "monitors: {window: 1h, pane: 15m, rows: 30, season: hour_of_day, slices: [colour]}\n"
REGRESSION = [
    ("task: classification", "task: regression"),
    ("{name: good, delay: 1d, classes: 2}", "{name: good, delay: 1d}"),
    ("algorithm: hist_gradient_boosting,", "algorithm: hist_gradient_boosting_regression,"),
    ("  - {name: line, algorithm: logistic_regression}\n", ""),
    ("metrics: [auc, log_loss, accuracy, precision, recall, f1]", "metrics: [mae]"),
    ("primary_metric: auc", "primary_metric: mae"),
]


def _rewritten(spec: RunSpec, *replacements: tuple[str, str], more: str = "") -> RunSpec:
    text = spec.pipeline_file.read_text()
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    spec.pipeline_file.write_text(text + more)
    return spec


def test_the_reference_is_of_the_training_rows_and_of_the_answers_on_the_others(spec: RunSpec) -> None:
    event = execute(spec)

    reference = reference_from_proto(event.reference)
    assert reference.inputs is not None
    assert reference.outputs is not None
    assert reference.inputs.rows == event.train_rows
    assert set(reference.inputs.columns) == {"size", "weight", "colour"}
    assert reference.inputs.columns["weight"].missing > 0
    assert reference.inputs.columns["colour"].missing > 0
    unseen = event.validation_rows + event.test_rows
    assert reference.outputs.rows == unseen
    assert set(reference.outputs.columns) == {"label", "probability_1"}
    assert {name: one.count for name, one in reference.performance.items()} == {
        "log_loss": unseen,
        "error_rate": unseen,
    }
    assert reference.score_positives.sum() + reference.score_negatives.sum() == unseen
    assert event.reference.trained_until.ToDatetime() == datetime(2024, 1, 1, 11, 59)
    assert reference.kernel is not None
    assert reference.pca is not None
    assert reference.outliers is not None


def test_the_promised_loss_is_that_of_the_validation_and_test_rows(spec: RunSpec) -> None:
    event = execute(spec)

    promised = reference_from_proto(event.reference).performance["log_loss"].mean
    parts = (event.winner.validation_metrics["log_loss"], event.winner.test_metrics["log_loss"])
    assert abs(promised - sum(parts) / 2) < 1e-6


def test_windows_seasons_and_slices_are_those_of_the_pipeline(spec: RunSpec) -> None:
    event = execute(_rewritten(spec, more=MONITORS))

    reference = reference_from_proto(event.reference)
    assert {name for name in reference.groups if name.startswith("slice:")} == {
        f"slice:colour={colour}" for colour in ("blue", "green", "red")
    }
    assert {name for name in reference.groups if name.startswith("season:")} == {f"season:{hour}" for hour in range(12)}
    assert {scale: one.parts for scale, one in reference.design_effects.items()} == {1: 24, 4: 6, 16: 6}


def test_two_runs_give_the_same_reference_to_the_byte(spec: RunSpec, tmp_path: Path) -> None:
    spec = _rewritten(spec, more=MONITORS)
    again = spec.model_copy(update={"directory": tmp_path / "again", "cause_event_id": "other", "parallel": 1})

    event, other = execute(spec), execute(again)

    stored, stored_again = ((one.directory / "artifacts" / "reference.pb").read_bytes() for one in (spec, again))
    assert stored == stored_again == event.reference.SerializeToString(deterministic=True)
    assert event.reference == other.reference


def test_a_regression_promises_its_errors(spec: RunSpec) -> None:
    event = execute(_rewritten(spec, *REGRESSION))

    reference = reference_from_proto(event.reference)
    assert reference.outputs is not None
    assert set(reference.outputs.columns) == {"prediction"}
    assert set(reference.performance) == {"squared_error", "absolute_error"}
    assert reference.score_positives.size == 0
    parts = (event.winner.validation_metrics["mae"], event.winner.test_metrics["mae"])
    assert abs(reference.performance["absolute_error"].mean - sum(parts) / 2) < 1e-6
