"""Tritons over gRPC: control, golden predictions, statistics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from tidemill_runtime.errors import DeadlineExceeded, InvalidInput, TidemillError, TooLarge, Unavailable
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tidemill_gateway.domain.tensors import Tensor

CONTROL_SECONDS = 5.0
OVERHEAD_BYTES = 1 << 20

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

    async def is_live(self) -> bool:
        """Whether it answers at all."""
        try:
            return bool((await self._stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=CONTROL_SECONDS)).live)
        except grpc.aio.AioRpcError:
            return False

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
        request = request_of(name, inputs)
        request.outputs.extend(service_pb2.ModelInferRequest.InferRequestedOutputTensor(name=one) for one in outputs)
        response = await _answered(self._stub.ModelInfer(request, timeout=seconds), "the model server")
        return tensors_of(response)

    async def statistics(self, name: str) -> Any:
        """`ModelStatistics` of `name`; raises Unavailable."""
        request = service_pb2.ModelStatisticsRequest(name=name)
        response = await _answered(
            self._stub.ModelStatistics(request, timeout=CONTROL_SECONDS), f"statistics of {name}"
        )
        return response.model_stats[0]

    async def config(self, name: str) -> Any:
        """`ModelConfig` of `name`; raises Unavailable."""
        request = service_pb2.ModelConfigRequest(name=name)
        return (await _answered(self._stub.ModelConfig(request, timeout=CONTROL_SECONDS), f"config of {name}")).config


class Tritons:
    """Several servers over one repository, kept alike: what is asked of them is done on each that answers."""

    def __init__(self, urls: Sequence[str], max_message_bytes: int) -> None:
        self._servers = [Triton(url, max_message_bytes) for url in urls]

    async def start(self) -> None:
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        for server in self._servers:
            await server.stop()

    async def is_ready(self, name: str) -> bool:
        """Whether the model `name` takes requests on every server that answers, and at least one does."""
        live = await self._live()
        return bool(live) and all(await asyncio.gather(*(server.is_ready(name) for server in live)))

    async def load(self, name: str, seconds: float) -> None:
        """Load or reload `name` where it is not ready; raises Unavailable, DeadlineExceeded, or TidemillError."""
        await self._each(lambda server: server.load(name, seconds), name)

    async def unload(self, name: str, seconds: float) -> None:
        """Unload `name` and wait until it is gone; no error if it is not loaded."""
        await self._each(lambda server: server.unload(name, seconds), name)

    async def infer(
        self, name: str, inputs: Sequence[Tensor], outputs: Sequence[str], seconds: float
    ) -> list[list[Tensor]]:
        """The named outputs of every server that answers; raises Unavailable, DeadlineExceeded, InvalidInput."""
        return await self._each(lambda server: server.infer(name, inputs, outputs, seconds), name)

    async def statistics(self, name: str) -> list[Any]:
        """`ModelStatistics` of `name`, of every server that answers; raises Unavailable."""
        return await self._each(lambda server: server.statistics(name), name)

    async def config(self, name: str) -> Any:
        """`ModelConfig` of `name`; raises Unavailable."""
        return (await self._each(lambda server: server.config(name), name))[0]

    async def _live(self) -> list[Triton]:
        live = await asyncio.gather(*(server.is_live() for server in self._servers))
        return [server for server, answers in zip(self._servers, live, strict=True) if answers]

    async def _each(self, call: Callable[[Triton], Awaitable[Any]], name: str) -> list[Any]:
        live = await self._live()
        if not live:
            raise Unavailable(f"{name}: no model server answers")
        return list(await asyncio.gather(*(call(server) for server in live)))


def request_of(model: str, inputs: Sequence[Tensor]) -> Any:
    """A `ModelInferRequest` for the inputs, raw."""
    return service_pb2.ModelInferRequest(
        model_name=model,
        inputs=[
            service_pb2.ModelInferRequest.InferInputTensor(name=item.name, datatype=item.datatype, shape=item.shape)
            for item in inputs
        ],
        raw_input_contents=[item.raw for item in inputs],
    )


def tensors_of(response: Any) -> list[Tensor]:
    """The outputs of a `ModelInferResponse`, which are raw; TidemillError if they are not."""
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
