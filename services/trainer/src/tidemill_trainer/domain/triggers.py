"""What starts a training run."""

from dataclasses import dataclass

from tidemill.v1.monitoring_pb2 import DRIFT_ACTION_RETRAIN, DriftDetected
from tidemill.v1.training_pb2 import TrainingCause
from tidemill_contracts.pipeline import Pipeline


@dataclass(frozen=True)
class Cause:
    """Why a run is made: the event's id, its kind, and in words."""

    event_id: str
    kind: TrainingCause
    reason: str


def data_starts_training(pipeline: Pipeline, rows: int, *, has_run: bool) -> bool:
    """Whether a new data version of `rows` rows starts a run; `has_run`: one waits, runs or succeeded."""
    if rows < pipeline.triggers.first_rows:
        return False
    if pipeline.triggers.data_arrived == "first":
        return not has_run
    return pipeline.triggers.data_arrived == "every"


def drift_starts_training(pipeline: Pipeline, drift: DriftDetected) -> bool:
    """Whether the drift asks for training and the pipeline wants that."""
    return pipeline.triggers.drift and drift.action == DRIFT_ACTION_RETRAIN
