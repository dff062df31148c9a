"""What each event makes the trainer remember or queue; the work itself is the worker's."""

from collections.abc import Mapping

from tidemill.v1.data_pb2 import DataArrived
from tidemill.v1.model_pb2 import Route
from tidemill.v1.monitoring_pb2 import DriftDetected
from tidemill.v1.training_pb2 import TRAINING_CAUSE_DATA, TRAINING_CAUSE_DRIFT, TRAINING_CAUSE_HAND, TrainingRequested
from tidemill_contracts.pipeline import PipelineFile
from tidemill_runtime import logs
from tidemill_runtime.database import Database
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import Event
from tidemill_runtime.outbox import is_new

from tidemill_trainer import repository
from tidemill_trainer.domain.triggers import Cause, data_starts_training, drift_starts_training
from tidemill_trainer.tables import ChampionRow, DataVersionRow

CONSUMER = "trainer"

log = logs.get_logger(__name__)


class Handlers:
    """One handler per event; each effect and its inbox entry are one transaction."""

    def __init__(self, database: Database, pipelines: Mapping[str, PipelineFile]) -> None:
        self._database = database
        self._pipelines = pipelines

    async def on_data_arrived(self, event: Event[DataArrived]) -> None:
        """Remember the data version; train if the pipeline trains on new data."""
        data = event.data
        pipeline = self._pipeline(data.pipeline)
        async with self._database.transaction() as session:
            if not await is_new(session, CONSUMER, event.id):
                return
            row = DataVersionRow(
                pipeline=data.pipeline,
                version=data.version,
                table=data.table,
                table_version=data.table_version,
                rows=data.rows,
                digest=data.digest,
            )
            await repository.remember_data(session, row)
            has_run = await repository.has_run(session, data.pipeline)
            if data_starts_training(pipeline, data, has_run=has_run):
                reason = f"data version {data.version} with {data.rows} rows arrived"
                await repository.queue(session, data.pipeline, Cause(event.id, TRAINING_CAUSE_DATA, reason))

    async def on_drift_detected(self, event: Event[DriftDetected]) -> None:
        """Train if that is what the drift asks for, and no training that answers it is under way or done.

        A drift of a version that has been replaced is past; one that comes while its pipeline is being retrained for
        drift asks for what is being done.
        """
        drift = event.data
        pipeline = self._pipeline(drift.pipeline)
        if not drift_starts_training(pipeline, drift):
            return
        async with self._database.transaction() as session:
            if not await is_new(session, CONSUMER, event.id):
                return
            champion = await session.get(ChampionRow, drift.model)
            replaced = champion is not None and drift.version < champion.version
            if replaced or await repository.is_active(session, drift.pipeline, TRAINING_CAUSE_DRIFT):
                log.info("drift is being cured already", model=drift.model, version=drift.version)
                return
            await repository.queue(session, drift.pipeline, Cause(event.id, TRAINING_CAUSE_DRIFT, drift.reason))

    async def on_training_requested(self, event: Event[TrainingRequested]) -> None:
        """Train."""
        asked = event.data
        self._pipeline(asked.pipeline)
        reason = f"{asked.requested_by or 'somebody'}: {asked.reason}" if asked.reason else asked.requested_by
        async with self._database.transaction() as session:
            if await is_new(session, CONSUMER, event.id):
                cause = Cause(event.id, asked.cause or TRAINING_CAUSE_HAND, reason)
                await repository.queue(session, asked.pipeline, cause)

    async def on_route(self, event: Event[Route]) -> None:
        """Remember which version candidates are compared with."""
        route = event.data
        if not route.arms:
            return
        champion = ChampionRow(
            model=route.model,
            epoch=route.epoch,
            version=route.arms[0].version,
            artifact_digest=route.arms[0].artifact_digest,
        )
        async with self._database.transaction() as session:
            await repository.remember_champion(session, champion)

    def _pipeline(self, name: str) -> PipelineFile:
        try:
            return self._pipelines[name]
        except KeyError:
            raise InvalidInput(f"no pipeline {name!r}; it has: {', '.join(sorted(self._pipelines))}") from None
