"""The trainer's composition root."""

from collections.abc import Mapping
from pathlib import Path

from tidemill.v1.data_pb2 import DataArrived
from tidemill.v1.model_pb2 import Route
from tidemill.v1.monitoring_pb2 import DriftDetected
from tidemill.v1.training_pb2 import TrainingRequested
from tidemill_contracts import topics
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import Consumer, Producer
from tidemill_runtime.database import Database
from tidemill_runtime.http import HttpServer, create_app
from tidemill_runtime.lifecycle import Worker, run
from tidemill_runtime.outbox import OutboxRelay
from tidemill_runtime.pipelines import read_pipelines
from tidemill_runtime.settings import load_settings

from tidemill_trainer.api import create_router
from tidemill_trainer.handlers import CONSUMER, Handlers
from tidemill_trainer.settings import TrainerSettings
from tidemill_trainer.worker import RunWorker

MIGRATIONS = Path(__file__).parent / "migrations"


def main() -> None:
    """Run the service until it is told to stop."""
    settings = load_settings(TrainerSettings)
    pipelines = read_pipelines(settings)
    database = Database(settings, "trainer", MIGRATIONS)
    artifacts = ArtifactStore(settings.artifacts_url)
    producer = Producer(settings, "trainer")
    handlers = Handlers(database, pipelines)
    consumer = Consumer(
        settings,
        CONSUMER,
        {
            topics.DATA_ARRIVED: (DataArrived, handlers.on_data_arrived),
            topics.DRIFT_DETECTED: (DriftDetected, handlers.on_drift_detected),
            topics.TRAINING_REQUESTED: (TrainingRequested, handlers.on_training_requested),
            topics.ROUTES: (Route, handlers.on_route),
        },
        producer,
    )

    async def readiness() -> Mapping[str, bool]:
        return {"database": await database.is_reachable(), "kafka": consumer.ready}

    app = create_app("Tidemill trainer", readiness)
    app.include_router(create_router(database, artifacts))
    http = HttpServer(app, settings.http_host, settings.http_port)
    worker = Worker("runs", RunWorker(settings, database, artifacts, pipelines).work)
    run("trainer", settings, [database, producer, OutboxRelay(database, producer), consumer, worker, http])
