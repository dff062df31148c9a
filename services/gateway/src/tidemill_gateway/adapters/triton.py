"""Triton over gRPC."""

import time
from collections.abc import Awaitable, Sequence
from typing import Any

import grpc
import grpc.aio
from tidemill_runtime import logs
from tidemill_runtime.errors import DeadlineExceeded, InvalidInput, TidemillError, TooLarge, Unavailable
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tidemill_gateway.domain.tensors import Tensor

CONTROL_SECONDS = 5.0
OVERHEAD_BYTES = 1 << 20

log = logs.get_logger(__name__)

_ERRORS: dict[grpc.StatusCode, type[TidemillError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInput,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TooLarge,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.NOT_FOUND: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
}


class Triton:
    """The model server at `url` (host:port)."""

    def __init__(self, url: str, max_message_bytes: int) -> None:
        self._url = url
        self._max_message_bytes = max_message_bytes + OVERHEAD_BYTES
        self._channel: grpc.aio.Channel | None = None

    async def start(self) -> None:
        self._channel = grpc.aio.insecure_channel(
            self._url,
            options=[
                ("grpc.max_send_message_length", self._max_message_bytes),
                ("grpc.max_receive_message_length", self._max_message_bytes),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1000),
                ("grpc.enable_http_proxy", 0),
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def stop(self) -> None:
        if self._channel:
            await self._channel.close()

    async def is_ready(self, name: str) -> bool:
        """Whether the model `name` takes requests; False also if the server does not answer."""
        request = service_pb2.ModelReadyRequest(name=name)
        try:
            return bool((await self._stub.ModelReady(request, timeout=CONTROL_SECONDS)).ready)
        except grpc.aio.AioRpcError:
            return False

    async def load(self, name: str, seconds: float) -> None:
        """Load or reload `name`; raises Unavailable, DeadlineExceeded, or TidemillError with Triton's cause."""
        request = service_pb2.RepositoryModelLoadRequest(model_name=name)
        await _answered(self._stub.RepositoryModelLoad(request, timeout=seconds), f"loading {name}")

    async def unload(self, name: str, seconds: float) -> None:
        """Unload `name` and wait until it is gone; no error if it is not loaded."""
        request = service_pb2.RepositoryModelUnloadRequest(model_name=name)
        await _answered(self._stub.RepositoryModelUnload(request, timeout=seconds), f"unloading {name}")

    async def infer(self, name: str, inputs: Sequence[Tensor], outputs: Sequence[str], seconds: float) -> list[Tensor]:
        """The named outputs; raises Unavailable (also if the model is not loaded), DeadlineExceeded, InvalidInput."""
        request = service_pb2.ModelInferRequest(
            model_name=name,
            inputs=[
                service_pb2.ModelInferRequest.InferInputTensor(name=item.name, datatype=item.datatype, shape=item.shape)
                for item in inputs
            ],
            outputs=[service_pb2.ModelInferRequest.InferRequestedOutputTensor(name=output) for output in outputs],
            raw_input_contents=[item.raw for item in inputs],
        )
        try:
            response = await _answered(self._stub.ModelInfer(request, timeout=seconds), "the model server")
        except Unavailable as error:
            log.warning("model server unavailable", model=name, error=str(error))
            raise Unavailable("the model server does not take the request now; try again") from error
        if len(response.raw_output_contents) != len(response.outputs):
            raise TidemillError("the model server's answer lacks the contents of its outputs")
        return [
            Tensor(item.name, item.datatype, tuple(item.shape), raw)
            for item, raw in zip(response.outputs, response.raw_output_contents, strict=True)
        ]


async def _answered(call: Awaitable[Any], what: str) -> Any:
    began = time.monotonic()
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        kind = _ERRORS.get(error.code(), TidemillError)
        if kind is DeadlineExceeded:
            raise DeadlineExceeded(f"{what}: no answer in {time.monotonic() - began:.1f} s") from error
        raise kind(f"{what}: {error.details() or error.code().name}") from error
