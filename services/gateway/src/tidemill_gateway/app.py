"""The composition root."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from fastapi import FastAPI
from prometheus_client import REGISTRY
from tidemill.v1.model_pb2 import Route
from tidemill.v1.prediction_pb2 import PredictionRequest
from tidemill_contracts import topics
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import Consumer, Handler, Producer, TableReader
from tidemill_runtime.http import HttpServer, create_app
from tidemill_runtime.lifecycle import Component

from tidemill_gateway.adapters.inference import Inference
from tidemill_gateway.adapters.plane import Plane, Sockets
from tidemill_gateway.adapters.repository import ModelRepository
from tidemill_gateway.adapters.triton import Tritons
from tidemill_gateway.callers import Callers
from tidemill_gateway.feedback import Feedback
from tidemill_gateway.inspection import Inspection
from tidemill_gateway.listeners import CLOSE_SECONDS, Listeners
from tidemill_gateway.loading import Loader
from tidemill_gateway.metrics import NativeCollector
from tidemill_gateway.model_server import ModelServer
from tidemill_gateway.prediction_log import PredictionLog
from tidemill_gateway.routes import Routes
from tidemill_gateway.scoring import Scoring
from tidemill_gateway.serving import ServedModels
from tidemill_gateway.settings import GatewaySettings
from tidemill_gateway.transports import predict, rest
from tidemill_gateway.transports.grpc_server import GrpcServer, InferenceService
from tidemill_gateway.transports.openapi import complete
from tidemill_gateway.transports.views import Views


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
        sockets = Sockets.make()
        self.plane = Plane(settings, sockets, on_suspect=lambda model: self.routes.suspect(model))
        repository = ModelRepository(settings.model_repository, settings.max_rows)
        loader = Loader(server, artifacts, repository, max_rows=settings.max_rows, seconds=settings.load_seconds)
        self.routes = Routes(
            self.models,
            loader,
            swap=self.plane.swap,
            in_flight=self.plane.in_flight,
            drain_seconds=settings.drain_seconds,
        )
        self.reader = reader(self.routes.on_route)
        self.log = PredictionLog(self.plane.native, producer)
        self.callers = Callers(settings, self.plane)
        self._inference = Inference(sockets, settings.max_body_bytes)
        self.scoring = Scoring(self.models, self._inference, self.log)
        self._metrics = NativeCollector(self.plane.native)
        views, inspection = Views(self.models, self.routes), Inspection(self.models, server)
        self.app = self._application(settings, views, inspection, Feedback(self.models, producer))
        service = InferenceService(views, inspection, self.is_ready)
        self.listeners = Listeners(
            self.plane,
            HttpServer(self.app, drain_seconds=CLOSE_SECONDS, socket=sockets.http),
            GrpcServer(service, self.is_ready, sockets.grpc),
            self._inference,
            sockets,
            settings.linger_seconds,
        )

    @property
    def components(self) -> Sequence[Component]:
        """In the order of their start; listeners close first, then the log is flushed."""
        return (self, self.log, self.callers, self.routes, self.reader, self.listeners)

    async def start(self) -> None:
        """Show the data plane's metrics."""
        REGISTRY.register(self._metrics)

    async def stop(self) -> None:
        REGISTRY.unregister(self._metrics)

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

    def _application(
        self, settings: GatewaySettings, views: Views, inspection: Inspection, feedback: Feedback
    ) -> FastAPI:
        app = create_app("Tidemill gateway", self.readiness)
        app.include_router(rest.router(views, inspection, self.is_ready, settings.max_body_bytes))
        refused = partial(self.plane.count_refusal, "predict")
        predictions = predict.router(
            self._inference, self.models, feedback, self.routes, refused, settings.max_body_bytes, settings.max_rows
        )
        app.include_router(predictions)
        described = app.openapi

        def openapi() -> dict[str, Any]:
            return complete(described())

        app.openapi = openapi  # type: ignore[method-assign]
        return app


def components(settings: GatewaySettings) -> Sequence[Component]:
    """Everything that runs in the service, in the order of its start."""
    producer = Producer(settings, "gateway")
    tritons = Tritons(settings.triton_urls, settings.max_body_bytes)
    gateway = Gateway(
        settings,
        producer,
        tritons,
        ArtifactStore(settings.artifacts_url),
        lambda handler: TableReader(settings, topics.ROUTES, Route, handler),
    )
    requests = {topics.REQUESTS: (PredictionRequest, gateway.scoring.on_request)}
    scoring = Consumer(settings, "gateway", requests, producer)
    return (producer, tritons, *gateway.components, scoring)
