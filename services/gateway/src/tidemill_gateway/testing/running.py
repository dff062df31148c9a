"""A whole gateway on free ports over the fakes, for tests."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.v1.model_pb2 import Arm, Mirror, Route
from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill_contracts import topics
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import Handler
from tidemill_runtime.events import new_event
from tidemill_runtime.testing import FakeProducer

from tidemill_gateway.adapters.triton import Tritons
from tidemill_gateway.app import Gateway
from tidemill_gateway.settings import GatewaySettings
from tidemill_gateway.testing.fake_model import FakeModel, store_model
from tidemill_gateway.testing.fake_triton import FakeTriton

WAIT_SECONDS = 10.0


class FakeReader:
    """The topic `routes` as a test writes it."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.caught_up = asyncio.Event()

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return


@dataclass
class RunningGateway:
    """A gateway and what is around it."""

    settings: GatewaySettings
    gateway: Gateway
    triton: FakeTriton
    producer: FakeProducer
    artifacts: ArtifactStore
    reader: FakeReader

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.http_port}"

    @property
    def grpc_url(self) -> str:
        return f"127.0.0.1:{self.settings.grpc_port}"

    def logged(self) -> list[PredictionBatch]:
        """What has been sent to the topic `predictions`."""
        sent = [message for message in self.producer.sent if message.topic == topics.PREDICTIONS]
        return [PredictionBatch.FromString(message.value or b"") for message in sent]

    async def store(
        self,
        fake: FakeModel,
        model: str = "flights",
        *,
        golden_of: FakeModel | None = None,
        serving: Mapping[str, Any] | None = None,
    ) -> str:
        """Store a model; its digest."""
        return await store_model(self.artifacts, model, fake, golden_of=golden_of, serving=serving)

    async def route(
        self,
        epoch: int,
        arms: Sequence[tuple[int, str, float]],
        *,
        mirrors: Sequence[tuple[int, str, float]] = (),
        warm: Sequence[tuple[int, str]] = (),
        model: str = "flights",
        sticky_header: str = "",
        sticky_field: str = "",
    ) -> None:
        """Publish a route of (version, digest, weight or fraction)."""
        route = Route(
            model=model,
            epoch=epoch,
            arms=[Arm(version=version, artifact_digest=digest, weight=weight) for version, digest, weight in arms],
            mirrors=[Mirror(version=item[0], artifact_digest=item[1], fraction=item[2]) for item in mirrors],
            warm=[Arm(version=version, artifact_digest=digest) for version, digest in warm],
            sticky_header=sticky_header,
            sticky_field=sticky_field,
        )
        await self.reader.handler(new_event("registry", model, route))

    async def serve(self, bias: float = 0.0, version: int = 1, epoch: int = 1) -> str:
        """Store a model, route all traffic to it and wait until it serves; its digest."""
        digest = await self.store(FakeModel(bias))
        await self.route(epoch, [(version, digest, 1.0)])
        await self.until_epoch(epoch)
        return digest

    async def until_epoch(self, epoch: int, model: str = "flights") -> None:
        """Wait until the route of `epoch` is wholly in effect."""
        await until(lambda: self._state(model) == (epoch, False))

    def _state(self, model: str) -> tuple[int, bool]:
        described = self.gateway.routes.describe().get(model, {"epoch": 0, "behind": True})
        return described["epoch"], described["behind"]


@asynccontextmanager
async def running_gateway(folder: Path, **options: object) -> AsyncIterator[RunningGateway]:
    """Start a gateway with its model repository in `folder`; `options` are further settings."""
    triton = FakeTriton(folder / "models")
    await triton.start()
    settings = GatewaySettings.model_validate(
        {
            "environment": "local",
            "kafka_bootstrap": "127.0.0.1:9",
            "http_port": free_port(),
            "grpc_port": free_port(),
            "triton_url": triton.url,
            "model_repository": folder / "models",
            "artifacts_url": (folder / "artifacts").as_uri(),
            "linger_seconds": 0,
            **options,
        }
    )
    producer, artifacts = FakeProducer(), ArtifactStore(settings.artifacts_url)
    server = Tritons(settings.triton_urls, settings.max_body_bytes)
    readers: list[FakeReader] = []

    def make_reader(handler: Handler) -> FakeReader:
        readers.append(FakeReader(handler))
        return readers[-1]

    gateway = Gateway(settings, producer, server, artifacts, make_reader)
    readers[0].caught_up.set()
    components = (server, *gateway.components)
    for component in components:
        await component.start()
    try:
        yield RunningGateway(settings, gateway, triton, producer, artifacts, readers[0])
    finally:
        triton.gate.set()
        for component in reversed(components):
            await component.stop()
        await triton.stop()


async def until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Wait for a condition; TimeoutError if it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
