"""The one data plane under every transport: choose a version, check the input, run it, log it, mirror it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.v1.prediction_pb2 import ARM_ROLE_PRIMARY
from tidemill_runtime.errors import DeadlineExceeded, TidemillError, Unavailable

from tidemill_gateway import metrics
from tidemill_gateway.domain import times
from tidemill_gateway.domain.batches import LoggedPrediction
from tidemill_gateway.domain.ids import new_prediction_id
from tidemill_gateway.domain.manifest import Signature
from tidemill_gateway.domain.requests import check_inputs
from tidemill_gateway.domain.routing import choose, mirrors_of
from tidemill_gateway.domain.tensors import Tensor
from tidemill_gateway.mirrors import Copy, Mirrors
from tidemill_gateway.model_server import ModelServer
from tidemill_gateway.prediction_log import PredictionLog
from tidemill_gateway.running import run
from tidemill_gateway.serving import ServedModel, ServedModels, ServedVersion

ReadInputs = Callable[[Signature], Sequence[Tensor]]


@dataclass
class Call:
    """What a transport knows of a request; `answered_by` is set as soon as a version is chosen.

    `headers` have lower case names; `seconds` is the caller's deadline, None for the default; `event_time` is in
    microseconds since the epoch.
    """

    model: str
    version: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    event_time: int = field(default_factory=times.now)
    seconds: float | None = None
    answered_by: int | None = None


@dataclass(frozen=True)
class Answer:
    """All outputs of the version that answered."""

    model: str
    version: int
    prediction_id: str
    rows: int
    outputs: tuple[Tensor, ...]


class DataPlane:
    """Answers inference requests; `infer_seconds` is the longest and the default deadline."""

    def __init__(
        self,
        models: ServedModels,
        server: ModelServer,
        prediction_log: PredictionLog,
        mirrors: Mirrors,
        *,
        suspect: Callable[[str], None],
        max_rows: int,
        infer_seconds: float,
    ) -> None:
        self._models = models
        self._server = server
        self._log = prediction_log
        self._mirrors = mirrors
        self._suspect = suspect
        self._max_rows = max_rows
        self._infer_seconds = infer_seconds

    async def infer(self, call: Call, read_inputs: ReadInputs) -> Answer:
        """The answer of the version that the route gives the request.

        `read_inputs` makes the tensors once the version, and so the signature, is known. Raises NotFound,
        InvalidInput, TooLarge, Unavailable or DeadlineExceeded.
        """
        served = self._models.get(call.model)
        prediction_id = new_prediction_id()
        key = call.headers.get(served.table.sticky_header) or prediction_id
        number = call.version if call.version is not None else choose(served.table, key).version
        version = served.version(number)
        call.answered_by = number
        with version.lease():
            inputs = tuple(read_inputs(version.signature))
            rows = check_inputs(version.signature, inputs, self._max_rows)
            if call.version is None:
                self._mirror(call, served, version, key, prediction_id, rows, inputs)
            outputs = await self._run_logged(call, served, version, prediction_id, rows, inputs)
        return Answer(call.model, number, prediction_id, rows, outputs)

    async def _run_logged(
        self,
        call: Call,
        served: ServedModel,
        version: ServedVersion,
        prediction_id: str,
        rows: int,
        inputs: tuple[Tensor, ...],
    ) -> tuple[Tensor, ...]:
        clock = asyncio.get_running_loop().time
        began = clock()
        outputs: tuple[Tensor, ...] = ()
        failure = ""
        try:
            outputs = await self._run(call, version, rows, inputs)
        except TidemillError as error:
            failure = str(error)
            raise
        except asyncio.CancelledError:
            failure = "the caller went away"
            raise
        finally:
            seconds = clock() - began
            metrics.REQUEST_SECONDS.labels(call.model).observe(seconds)
            self._log.put(
                LoggedPrediction(
                    model=call.model,
                    version=version.version,
                    role=ARM_ROLE_PRIMARY,
                    prediction_id=prediction_id,
                    rows=rows,
                    event_time=call.event_time,
                    latency=seconds,
                    inputs=inputs,
                    outputs=outputs,
                    epoch=served.table.epoch,
                    error=failure,
                )
            )
        return outputs

    async def _run(
        self, call: Call, version: ServedVersion, rows: int, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + min(call.seconds if call.seconds is not None else self._infer_seconds, self._infer_seconds)
        try:
            return await run(self._server, version, inputs, rows, _left(deadline - clock()))
        except Unavailable:
            self._suspect(call.model)
            metrics.RETRIES.labels(call.model).inc()
            return await run(self._server, version, inputs, rows, _left(deadline - clock()))

    def _mirror(
        self,
        call: Call,
        served: ServedModel,
        version: ServedVersion,
        key: str,
        prediction_id: str,
        rows: int,
        inputs: tuple[Tensor, ...],
    ) -> None:
        for mirror in mirrors_of(served.table, key, version.version):
            self._mirrors.put(
                Copy(call.model, mirror, prediction_id, rows, call.event_time, inputs, served.table.epoch)
            )


def _left(seconds: float) -> float:
    if seconds <= 0:
        raise DeadlineExceeded("the request's time is spent")
    return seconds
