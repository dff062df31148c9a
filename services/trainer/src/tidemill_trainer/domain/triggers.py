"""What starts a training run."""

from dataclasses import dataclass

from tidemill.v1.data_pb2 import DataArrived
from tidemill.v1.monitoring_pb2 import DRIFT_ACTION_RETRAIN, DriftDetected
from tidemill.v1.training_pb2 import TrainingCause
from tidemill_contracts.pipeline import Pipeline


@dataclass(frozen=True)
class Cause:
    """Why a run is made: the event's id, its kind, and in words."""

    event_id: str
    kind: TrainingCause
    reason: str


def data_starts_training(pipeline: Pipeline, data: DataArrived, *, has_run: bool) -> bool:
    """Whether a new data version starts a run; `has_run`: one of the pipeline waits, runs or succeeded."""
    spans = data.to_time.ToDatetime() - data.from_time.ToDatetime()
    if pipeline.triggers.data_arrived == "never" or (not has_run and spans < pipeline.triggers.first_span):
        return False
    return pipeline.triggers.data_arrived == "every" or not has_run


def drift_starts_training(pipeline: Pipeline, drift: DriftDetected) -> bool:
    """Whether the drift asks for training and the pipeline wants that."""
    return pipeline.triggers.drift and drift.action == DRIFT_ACTION_RETRAIN
