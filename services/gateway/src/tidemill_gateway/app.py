"""The composition root."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tidemill.v1.model_pb2 import Route
from tidemill_contracts import topics
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import Handler, Producer, TableReader
from tidemill_runtime.http import create_app
from tidemill_runtime.lifecycle import Component

from tidemill_gateway.adapters.repository import ModelRepository
from tidemill_gateway.adapters.triton import Triton
from tidemill_gateway.dataplane import DataPlane
from tidemill_gateway.feedback import Feedback
from tidemill_gateway.listeners import CloseConnections, Draining, DrainingHttpServer, Listeners
from tidemill_gateway.loading import Loader
from tidemill_gateway.mirrors import Mirrors
from tidemill_gateway.model_server import ModelServer
from tidemill_gateway.prediction_log import PredictionLog
from tidemill_gateway.routes import Routes
from tidemill_gateway.serving import ServedModels
from tidemill_gateway.settings import GatewaySettings
from tidemill_gateway.transports import predict, rest
from tidemill_gateway.transports.grpc_server import GrpcServer, InferenceService
from tidemill_gateway.transports.views import Views

CLOSE_SECONDS = 6


class RouteReader(Component, Protocol):
    """Feeds every route to a handler; `caught_up` is set when it has seen what was there at the start."""

    caught_up: asyncio.Event


class Gateway:
    """The gateway's parts, wired; what it needs from outside comes in by parameter."""

    def __init__(
        self,
        settings: GatewaySettings,
        producer: Producer,
        server: ModelServer,
        artifacts: ArtifactStore,
        reader: Callable[[Handler], RouteReader],
    ) -> None:
        self.models = ServedModels()
        repository = ModelRepository(settings.model_repository, settings.max_rows)
        loader = Loader(server, artifacts, repository, max_rows=settings.max_rows, seconds=settings.load_seconds)
        self.routes = Routes(self.models, loader, drain_seconds=settings.drain_seconds)
        self.reader = reader(self.routes.on_route)
        self.log = PredictionLog(producer, max_rows=settings.log_queue_rows)
        self.mirrors = Mirrors(
            self.models,
            server,
            self.log,
            capacity=settings.mirror_queue,
            max_rows=settings.max_rows,
            seconds=settings.infer_seconds,
        )
        self.plane = DataPlane(
            self.models,
            server,
            self.log,
            self.mirrors,
            suspect=self.routes.suspect,
            max_rows=settings.max_rows,
            infer_seconds=settings.infer_seconds,
        )
        draining = Draining()
        views = Views(self.models, self.routes)
        self.app = create_app("Tidemill gateway", self.readiness)
        self.app.add_middleware(CloseConnections, draining=draining)
        self.app.include_router(rest.router(self.plane, views, self.is_ready, settings.max_body_bytes))
        feedback = Feedback(self.models, producer)
        self.app.include_router(predict.router(self.plane, feedback, self.routes, settings.max_body_bytes))
        service = InferenceService(self.plane, views, self.is_ready)
        self.listeners = Listeners(
            DrainingHttpServer(self.app, settings.http_host, settings.http_port, CLOSE_SECONDS),
            GrpcServer(service, settings.grpc_host, settings.grpc_port, settings.max_body_bytes, CLOSE_SECONDS),
            draining,
            settings.linger_seconds,
        )

    @property
    def components(self) -> Sequence[Component]:
        """In the order of their start; listeners close first, then the log is flushed."""
        return (self.log, self.mirrors, self.routes, self.reader, self.listeners)

    async def readiness(self) -> Mapping[str, bool]:
        """Ready: the routes are read, every routed model's arms are ready in the model server, and no stop is near."""
        return {
            "routes": self.reader.caught_up.is_set(),
            "models": self.routes.all_ready(),
            "accepting": self.listeners.accepting,
        }

    async def is_ready(self) -> bool:
        """Whether all of `readiness` holds."""
        return all((await self.readiness()).values())


def components(settings: GatewaySettings) -> Sequence[Component]:
    """Everything that runs in the service, in the order of its start."""
    producer = Producer(settings, "gateway")
    triton = Triton(settings.triton_url, settings.max_body_bytes)
    gateway = Gateway(
        settings,
        producer,
        triton,
        ArtifactStore(settings.artifacts_url),
        lambda handler: TableReader(settings, topics.ROUTES, Route, handler),
    )
    return (producer, triton, *gateway.components)
