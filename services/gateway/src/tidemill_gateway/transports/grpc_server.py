"""The Open Inference Protocol V2 over gRPC, but for inference, which the data plane answers; health and reflection.

Only the methods listed here exist; any other (model control, shared memory, trace, log) is UNIMPLEMENTED.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection, reflection_pb2
from tidemill_runtime import logs
from tidemill_runtime.errors import TidemillError
from tidemill_runtime.lifecycle import Worker
from tritonclient.grpc import service_pb2

from tidemill_gateway.inspection import Inspection
from tidemill_gateway.transports.views import Views, parse_version

SERVICE = "inference.GRPCInferenceService"
HEALTH_SECONDS = 0.5
GRACE_SECONDS = 1.0

Method = Callable[[Any, Any], Awaitable[Any]]

log = logs.get_logger(__name__)


class GrpcServer:
    """Serves on a Unix socket; its health follows `ready`."""

    def __init__(self, service: "InferenceService", ready: Callable[[], Awaitable[bool]], socket: Path) -> None:
        self._service = service
        self._ready = ready
        self._socket = socket
        self._health = health.HealthServicer()
        self._watch = Worker("gRPC health", self._follow)
        self._server: grpc.aio.Server | None = None

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._watch.failed

    async def start(self) -> None:
        self._server = grpc.aio.server()
        handler = grpc.method_handlers_generic_handler(SERVICE, self._service.handlers())
        self._server.add_generic_rpc_handlers((handler,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers(tuple(_reflection()))
        self._server.add_insecure_port(f"unix:{self._socket}")
        await self._server.start()
        await self._watch.start()

    async def stop(self) -> None:
        await self._watch.stop()
        if self._server:
            await self._server.stop(GRACE_SECONDS)

    async def _follow(self) -> None:
        status = health_pb2.HealthCheckResponse
        while True:
            told = status.SERVING if await self._ready() else status.NOT_SERVING
            for service in ("", SERVICE):
                await self._health.set(service, told)
            await asyncio.sleep(HEALTH_SECONDS)


class InferenceService:
    """The methods."""

    def __init__(self, views: Views, inspection: Inspection, ready: Callable[[], Awaitable[bool]]) -> None:
        self._views = views
        self._inspection = inspection
        self._ready = ready

    def handlers(self) -> dict[str, Any]:
        """gRPC's handler of each method."""
        methods: dict[str, tuple[Method, str]] = {
            "ServerLive": (self.server_live, "ServerLiveRequest"),
            "ServerReady": (self.server_ready, "ServerReadyRequest"),
            "ServerMetadata": (self.server_metadata, "ServerMetadataRequest"),
            "ModelReady": (self.model_ready, "ModelReadyRequest"),
            "ModelMetadata": (self.model_metadata, "ModelMetadataRequest"),
            "ModelStatistics": (self.model_statistics, "ModelStatisticsRequest"),
            "ModelConfig": (self.model_config, "ModelConfigRequest"),
            "RepositoryIndex": (self.repository_index, "RepositoryIndexRequest"),
        }
        return {
            name: grpc.unary_unary_rpc_method_handler(
                _with_errors(method),
                request_deserializer=getattr(service_pb2, request).FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, (method, request) in methods.items()
        }

    async def server_live(self, _: Any, __: Any) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    async def server_ready(self, _: Any, __: Any) -> Any:
        return service_pb2.ServerReadyResponse(ready=await self._ready())

    async def server_metadata(self, _: Any, __: Any) -> Any:
        return service_pb2.ServerMetadataResponse(**self._views.server())

    async def model_ready(self, request: Any, _: Any) -> Any:
        ready = self._views.ready_or_false(request.name, parse_version(request.version))
        return service_pb2.ModelReadyResponse(ready=ready)

    async def model_metadata(self, request: Any, _: Any) -> Any:
        return service_pb2.ModelMetadataResponse(**self._views.model(request.name, parse_version(request.version)))

    async def model_statistics(self, request: Any, _: Any) -> Any:
        found = await self._inspection.statistics(request.name, parse_version(request.version))
        return service_pb2.ModelStatisticsResponse(model_stats=found)

    async def model_config(self, request: Any, _: Any) -> Any:
        config = await self._inspection.config(request.name, parse_version(request.version))
        return service_pb2.ModelConfigResponse(config=config)

    async def repository_index(self, request: Any, _: Any) -> Any:
        return service_pb2.RepositoryIndexResponse(models=self._views.index(request.ready))


def _reflection() -> Iterator[Any]:
    """Reflection under both its names: v1 has the very messages of v1alpha, which is all that grpcio knows."""
    names = ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer((SERVICE, HEALTH, *names))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in names:
        yield grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler})


def _with_errors(method: Method) -> Method:
    async def call(request: Any, context: Any) -> Any:
        try:
            return await method(request, context)
        except TidemillError as error:
            await context.abort(getattr(grpc.StatusCode, error.grpc_code), str(error))
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            log.error("unexpected error", method=method.__name__, exc_info=error)
            await context.abort(grpc.StatusCode.INTERNAL, "an unexpected error; the service's log has its cause")

    return call
