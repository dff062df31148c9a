"""The Open Inference Protocol V2 over gRPC.

Only the methods listed here exist; any other (model control, shared memory, trace, log) is UNIMPLEMENTED.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
from tidemill_runtime import logs
from tidemill_runtime.errors import TidemillError
from tritonclient.grpc import service_pb2

from tidemill_gateway.dataplane import Call, DataPlane
from tidemill_gateway.transports import messages
from tidemill_gateway.transports.observed import observed, parse_version
from tidemill_gateway.transports.rest import PREDICTION_ID, apply_event_time
from tidemill_gateway.transports.views import Views

SERVICE = "inference.GRPCInferenceService"
OVERHEAD_BYTES = 1 << 20

Method = Callable[[Any, Any], Awaitable[Any]]

log = logs.get_logger(__name__)


class GrpcServer:
    """Serves V2 on `host:port`; on stop it ends the open calls first, for at most `grace_seconds`."""

    def __init__(
        self, service: "InferenceService", host: str, port: int, max_body_bytes: int, grace_seconds: float
    ) -> None:
        self._service = service
        self._address = f"{host}:{port}"
        self._max_message_bytes = max_body_bytes + OVERHEAD_BYTES
        self._grace_seconds = grace_seconds
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", self._max_message_bytes),
                ("grpc.max_send_message_length", self._max_message_bytes),
                ("grpc.so_reuseport", 0),
            ]
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, self._service.handlers())
        self._server.add_generic_rpc_handlers((handler,))
        if not self._server.add_insecure_port(self._address):
            raise OSError(f"cannot listen on {self._address}; is the port taken?")
        await self._server.start()

    async def stop(self) -> None:
        if self._server:
            await self._server.stop(self._grace_seconds)


class InferenceService:
    """The methods, thin over the data plane."""

    def __init__(self, plane: DataPlane, views: Views, ready: Callable[[], Awaitable[bool]]) -> None:
        self._plane = plane
        self._views = views
        self._ready = ready

    def handlers(self) -> dict[str, Any]:
        """gRPC's handler of each method."""
        methods: dict[str, tuple[Method, str]] = {
            "ServerLive": (self.server_live, "ServerLiveRequest"),
            "ServerReady": (self.server_ready, "ServerReadyRequest"),
            "ServerMetadata": (self.server_metadata, "ServerMetadataRequest"),
            "ModelReady": (self.model_ready, "ModelReadyRequest"),
            "ModelMetadata": (self.model_metadata, "ModelMetadataRequest"),
            "ModelInfer": (self.model_infer, "ModelInferRequest"),
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

    async def repository_index(self, request: Any, _: Any) -> Any:
        return service_pb2.RepositoryIndexResponse(models=self._views.index(request.ready))

    async def model_infer(self, request: Any, context: Any) -> Any:
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        call = Call(request.model_name, headers=headers, seconds=context.time_remaining())
        with observed(call, "grpc"):
            call.version = parse_version(request.model_version)
            apply_event_time(call)
            asked = messages.parse_request(request)
            answer = await self._plane.infer(call, asked.inputs_for)
        await context.send_initial_metadata(((PREDICTION_ID, answer.prediction_id),))
        return messages.render_response(asked, answer)


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
