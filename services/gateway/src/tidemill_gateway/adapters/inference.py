"""This process's own way through the data plane: the same routing, checks, log and mirrors as for any caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from tidemill_runtime.errors import DeadlineExceeded, InvalidInput, NotFound, TidemillError, TooLarge, Unavailable
from tritonclient.grpc import service_pb2_grpc

from tidemill_gateway.adapters.plane import Sockets
from tidemill_gateway.adapters.triton import OVERHEAD_BYTES, request_of, tensors_of
from tidemill_gateway.domain.tensors import Tensor

EVENT_TIME = "tidemill-event-time"
TIMEOUT = "tidemill-timeout"
TRACE = ("traceparent", "tracestate", "baggage")
PREDICTION_ID = "tidemill-prediction-id"
PROTOCOL = "tidemill-protocol"
LOGGED = "tidemill-logged"
STICKY = "tidemill-sticky"
"""Names of headers and metadata; the last four are taken from this process only."""

_KINDS = (InvalidInput, NotFound, TooLarge, Unavailable, DeadlineExceeded)
_ERRORS: dict[Any, type[TidemillError]] = {getattr(grpc.StatusCode, kind.grpc_code): kind for kind in _KINDS}


@dataclass(frozen=True)
class Answer:
    """All outputs of the version that answered."""

    model: str
    version: int
    prediction_id: str
    rows: int
    outputs: tuple[Tensor, ...]


class Inference:
    """Calls the data plane over its internal socket."""

    def __init__(self, sockets: Sockets, max_body_bytes: int) -> None:
        self._address = f"unix:{sockets.internal}"
        self._max_bytes = max_body_bytes + OVERHEAD_BYTES
        self._channel: grpc.aio.Channel | None = None

    async def start(self) -> None:
        self._channel = grpc.aio.insecure_channel(
            self._address,
            options=[
                ("grpc.max_send_message_length", self._max_bytes),
                ("grpc.max_receive_message_length", self._max_bytes),
                ("grpc.default_authority", "tidemill"),
            ],
        )
        self._stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def stop(self) -> None:
        if self._channel:
            await self._channel.close()

    async def infer(
        self,
        model: str,
        inputs: Sequence[Tensor],
        metadata: Mapping[str, str],
        *,
        version: int | None = None,
    ) -> Answer:
        """The answer of the version that the route gives the request, or of `version`.

        `metadata` is the caller's and this process's own, by the names above. Raises NotFound, InvalidInput,
        TooLarge, Unavailable or DeadlineExceeded.
        """
        request = request_of(model, inputs)
        request.model_version = "" if version is None else str(version)
        try:
            response = await self._stub.ModelInfer(request, metadata=tuple(metadata.items()))
        except grpc.aio.AioRpcError as error:
            raise _ERRORS.get(error.code(), TidemillError)(error.details() or error.code().name) from None
        outputs = tuple(tensors_of(response))
        prediction_id = response.parameters["prediction_id"].string_param
        return Answer(model, int(response.model_version), prediction_id, outputs[0].shape[0], outputs)
