"""Copies of requests to versions that only watch: a bounded queue off the request path; drops are counted."""

import asyncio
from dataclasses import dataclass

from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR
from tidemill_runtime import logs
from tidemill_runtime.errors import NotFound, TidemillError
from tidemill_runtime.lifecycle import Worker

from tidemill_gateway import metrics
from tidemill_gateway.domain.batches import LoggedPrediction
from tidemill_gateway.domain.requests import check_inputs
from tidemill_gateway.domain.tensors import Tensor
from tidemill_gateway.model_server import ModelServer
from tidemill_gateway.prediction_log import PredictionLog
from tidemill_gateway.running import run
from tidemill_gateway.serving import ServedModels

PARALLEL = 4

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Copy:
    """A request to be answered again by a mirror."""

    model: str
    version: int
    prediction_id: str
    rows: int
    event_time: int
    inputs: tuple[Tensor, ...]
    epoch: int


class Mirrors:
    """Runs copies, a few at a time; `seconds` bounds each."""

    def __init__(
        self,
        models: ServedModels,
        server: ModelServer,
        prediction_log: PredictionLog,
        *,
        capacity: int,
        max_rows: int,
        seconds: float,
    ) -> None:
        self._models = models
        self._server = server
        self._log = prediction_log
        self._max_rows = max_rows
        self._seconds = seconds
        self._queue: asyncio.Queue[Copy] = asyncio.Queue(capacity)
        self._workers = [Worker(f"mirror {number}", self._run) for number in range(PARALLEL)]

    def put(self, copy: Copy) -> None:
        """Have the copy answered some time, or drop and count it."""
        try:
            self._queue.put_nowait(copy)
        except asyncio.QueueFull:
            metrics.MIRROR_DROPS.labels(copy.model, "queue_full").inc()

    async def start(self) -> None:
        for worker in self._workers:
            await worker.start()

    async def stop(self) -> None:
        for worker in self._workers:
            await worker.stop()

    async def _run(self) -> None:
        while True:
            copy = await self._queue.get()
            try:
                await self._answer(copy)
            except NotFound:
                metrics.MIRROR_DROPS.labels(copy.model, "not_loaded").inc()
            except TidemillError as error:
                metrics.MIRROR_DROPS.labels(copy.model, "failed").inc()
                log.warning("mirror failed", model=copy.model, version=copy.version, error=str(error))

    async def _answer(self, copy: Copy) -> None:
        version = self._models.get(copy.model).version(copy.version)
        with version.lease():
            check_inputs(version.signature, copy.inputs, self._max_rows)
            began = asyncio.get_running_loop().time()
            outputs: tuple[Tensor, ...] = ()
            failure = ""
            try:
                outputs = await run(self._server, version, copy.inputs, copy.rows, self._seconds)
                metrics.MIRRORED.labels(copy.model, str(copy.version)).inc()
            except TidemillError as error:
                metrics.MIRROR_DROPS.labels(copy.model, "failed").inc()
                failure = str(error)
            self._log.put(
                LoggedPrediction(
                    model=copy.model,
                    version=copy.version,
                    role=ARM_ROLE_MIRROR,
                    prediction_id=copy.prediction_id,
                    rows=copy.rows,
                    event_time=copy.event_time,
                    latency=asyncio.get_running_loop().time() - began,
                    inputs=copy.inputs,
                    outputs=outputs,
                    epoch=copy.epoch,
                    error=failure,
                )
            )
