"""Predictions to Kafka, off the request path: a bounded queue, flushed in batches; what does not fit is counted."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from aiokafka.partitioner import murmur2
from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill_contracts import topics
from tidemill_runtime import failpoints, logs
from tidemill_runtime.bus import Producer, backoff
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.events import Event, new_event
from tidemill_runtime.kafka import MAX_MESSAGE_BYTES
from tidemill_runtime.lifecycle import Worker

from tidemill_gateway import metrics
from tidemill_gateway.domain.batches import LoggedPrediction, PlacedBatch, batches

FLUSH_SECONDS = 0.5
FLUSH_ROWS = 500
FINAL_FLUSH_SECONDS = 5.0

log = logs.get_logger(__name__)


def partition_of(prediction_id: str, partitions: int) -> int:
    """Partition of a key as Kafka's default partitioner places it."""
    return (int(murmur2(prediction_id.encode())) & 0x7FFFFFFF) % partitions


class PredictionLog:
    """Takes predictions without waiting and sends them in batches of at most 500 rows a message."""

    def __init__(self, producer: Producer, *, max_rows: int, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._producer = producer
        self._max_rows = max_rows
        self._flush_seconds = flush_seconds
        self._queue: deque[LoggedPrediction] = deque()
        self._unsent: deque[tuple[int, Event[PredictionBatch]]] = deque()
        self._rows = 0
        self._filled = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._worker = Worker("prediction log", self._run)

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._worker.failed

    def put(self, prediction: LoggedPrediction) -> None:
        """Log a prediction, or drop and count it if too many wait."""
        if self._rows + prediction.rows > self._max_rows:
            metrics.LOG_DROPS.labels("queue_full").inc(prediction.rows)
            return
        self._queue.append(prediction)
        self._count(prediction.rows)
        if self._rows >= FLUSH_ROWS:
            self._filled.set()

    async def start(self) -> None:
        await self._worker.start()

    async def stop(self) -> None:
        """Flush what waits, for a few seconds at most; drop and count the rest."""
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(FINAL_FLUSH_SECONDS):
                await self.flush()
        await self._worker.stop()
        if self._rows:
            log.error("predictions not logged before the end", rows=self._rows)
            metrics.LOG_DROPS.labels("shutdown").inc(self._rows)

    async def flush(self) -> None:
        """Send all that waits; raises Unavailable and keeps what the brokers have not acknowledged."""
        async with self._flushing:
            while self._unsent or self._queue:
                if not self._unsent:
                    await self._batch(self._take())
                await self._send_unsent()

    async def _run(self) -> None:
        failures = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._filled.wait()
            self._filled.clear()
            try:
                await self.flush()
                failures = 0
            except Unavailable as error:
                failures += 1
                log.warning("predictions wait for Kafka", rows=self._rows, error=str(error))
                await asyncio.sleep(backoff(failures, self._flush_seconds))

    def _take(self) -> list[LoggedPrediction]:
        taken: list[LoggedPrediction] = []
        rows = 0
        while self._queue and rows < FLUSH_ROWS:
            prediction = self._queue.popleft()
            taken.append(prediction)
            rows += prediction.rows
        return taken

    async def _batch(self, predictions: Sequence[LoggedPrediction]) -> None:
        try:
            partitions = await self._producer.partitions(topics.PREDICTIONS)
        except BaseException:
            self._queue.extendleft(reversed(predictions))
            raise
        for placed in batches(predictions, lambda prediction_id: partition_of(prediction_id, partitions)):
            if placed.batch.ByteSize() > MAX_MESSAGE_BYTES - 4096:
                self._drop(placed)
            else:
                self._unsent.append((placed.partition, new_event("gateway", placed.batch.model, placed.batch)))

    def _count(self, change: int) -> None:
        self._rows += change
        metrics.LOG_QUEUE_ROWS.set(self._rows)

    def _drop(self, placed: PlacedBatch) -> None:
        rows = len(placed.batch.prediction_ids)
        self._count(-rows)
        metrics.LOG_DROPS.labels("too_large").inc(rows)

    async def _send_unsent(self) -> None:
        failpoints.hit("gateway.before-log-flush")
        while self._unsent:
            partition, event = self._unsent[0]
            await self._producer.send(topics.PREDICTIONS, event, partition=partition)
            self._unsent.popleft()
            rows = len(event.data.prediction_ids)
            self._count(-rows)
            metrics.LOG_ROWS.labels(event.data.model).inc(rows)
