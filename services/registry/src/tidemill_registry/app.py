"""The registry's composition root."""

from collections.abc import Mapping
from pathlib import Path

from tidemill.v1.model_pb2 import RolloutChanged
from tidemill.v1.monitoring_pb2 import RolloutEvidence
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts import topics
from tidemill_runtime.bus import Consumer, Producer
from tidemill_runtime.database import Database
from tidemill_runtime.http import HttpServer, create_app
from tidemill_runtime.lifecycle import Component, Worker, run
from tidemill_runtime.outbox import OutboxRelay
from tidemill_runtime.pipelines import read_pipelines
from tidemill_runtime.settings import load_settings

from tidemill_registry.api import create_router
from tidemill_registry.clock import Clock
from tidemill_registry.decisions import Decisions
from tidemill_registry.rollout_api import create_rollout_router
from tidemill_registry.rollouts import Rollouts
from tidemill_registry.settings import RegistrySettings
from tidemill_registry.webhook import Webhook

MIGRATIONS = Path(__file__).parent / "migrations"


def main() -> None:
    """Run the service until it is told to stop."""
    settings = load_settings(RegistrySettings)
    database = Database(settings, "registry", MIGRATIONS)
    producer = Producer(settings, "registry")
    pipelines = read_pipelines(settings)
    rollouts = Rollouts(database, pipelines)
    decisions = Decisions(database, pipelines, rollouts)
    consumer = Consumer(
        settings,
        "registry",
        {
            topics.MODEL_TRAINED: (ModelTrained, decisions.on_model_trained),
            topics.ROLLOUT_EVIDENCE: (RolloutEvidence, rollouts.on_evidence),
        },
        producer,
    )
    clock = Worker("clock", Clock(database, rollouts).run)

    async def readiness() -> Mapping[str, bool]:
        return {"database": await database.is_reachable(), "kafka": consumer.ready}

    app = create_app("Tidemill registry", readiness)
    app.include_router(create_router(settings, database, decisions))
    app.include_router(create_rollout_router(settings, database, rollouts))
    http = HttpServer(app, settings.http_host, settings.http_port)
    told = _webhook(settings, producer)
    run("registry", settings, [database, producer, OutboxRelay(database, producer), *told, consumer, clock, http])


def _webhook(settings: RegistrySettings, producer: Producer) -> list[Component]:
    if not settings.rollout_webhook:
        return []
    assert settings.rollout_webhook_secret is not None
    webhook = Webhook(settings.rollout_webhook, settings.rollout_webhook_secret)
    subscription = {topics.ROLLOUTS: (RolloutChanged, webhook.on_changed)}
    return [webhook, Consumer(settings, "registry-webhook", subscription, producer)]
