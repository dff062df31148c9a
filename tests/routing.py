"""Has a stack's gateway serve models, as the trainer and the registry would."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import onnx_models
from onnx_models import Model
from tidemill.v1.model_pb2 import Arm, Route
from tidemill_contracts import topics
from tidemill_local.stack import Stack
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import Producer
from tidemill_runtime.events import new_event
from tidemill_runtime.settings import ServiceSettings


@dataclass(frozen=True)
class Router:
    """Stores models in the artifacts of a stack and publishes routes."""

    artifacts: ArtifactStore
    producer: Producer

    async def store(self, name: str, model: Model) -> str:
        """Store `model` under `name`; the manifest's digest."""
        return await onnx_models.store(self.artifacts, name, model)

    async def route(
        self, model: str, epoch: int, arms: Sequence[tuple[int, str, float]], *, sticky_header: str = ""
    ) -> None:
        """Publish a route of arms (version, digest, weight), the champion first."""
        of_route = [Arm(version=version, artifact_digest=digest, weight=weight) for version, digest, weight in arms]
        route = Route(model=model, epoch=epoch, arms=of_route, sticky_header=sticky_header)
        await self.producer.send(topics.ROUTES, new_event("registry", model, route))


@asynccontextmanager
async def router(stack: Stack) -> AsyncIterator[Router]:
    """A router for the gateway of `stack`, whose Kafka runs."""
    environment = stack.environment("gateway")
    settings = ServiceSettings(
        environment="local", kafka_bootstrap=stack.bootstrap, http_port=int(environment["TIDEMILL_HTTP_PORT"])
    )
    producer = Producer(settings, "tests")
    await producer.start()
    try:
        yield Router(ArtifactStore(environment["TIDEMILL_ARTIFACTS_URL"]), producer)
    finally:
        await producer.stop()


def routes_of(stack: Stack) -> dict[str, Any]:
    """The gateway's routes by model."""
    answer = httpx.get(f"{stack.http_url('gateway')}/v1/routes", timeout=10)
    routes: dict[str, Any] = answer.raise_for_status().json()["models"]
    return routes
