"""The registry's composition root."""

from collections.abc import Mapping
from pathlib import Path

from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts import topics
from tidemill_runtime.bus import Consumer, Producer
from tidemill_runtime.database import Database
from tidemill_runtime.http import HttpServer, create_app
from tidemill_runtime.lifecycle import run
from tidemill_runtime.outbox import OutboxRelay
from tidemill_runtime.pipelines import read_pipelines
from tidemill_runtime.settings import load_settings

from tidemill_registry.api import create_router
from tidemill_registry.decisions import Decisions
from tidemill_registry.settings import RegistrySettings

MIGRATIONS = Path(__file__).parent / "migrations"


def main() -> None:
    """Run the service until it is told to stop."""
    settings = load_settings(RegistrySettings)
    database = Database(settings, "registry", MIGRATIONS)
    producer = Producer(settings, "registry")
    decisions = Decisions(database, read_pipelines(settings))
    consumer = Consumer(
        settings, "registry", {topics.MODEL_TRAINED: (ModelTrained, decisions.on_model_trained)}, producer
    )

    async def readiness() -> Mapping[str, bool]:
        return {"database": await database.is_reachable(), "kafka": consumer.ready}

    app = create_app("Tidemill registry", readiness)
    app.include_router(create_router(settings, database, decisions))
    http = HttpServer(app, settings.http_host, settings.http_port)
    run("registry", settings, [database, producer, OutboxRelay(database, producer), consumer, http])
