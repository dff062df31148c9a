"""Predictions to Kafka: what the data plane has kept of them, made into batches there and sent from here."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill_contracts import topics
from tidemill_dataplane import DataPlane
from tidemill_runtime import failpoints, logs
from tidemill_runtime.bus import Producer, backoff
from tidemill_runtime.errors import TooLarge, Unavailable
from tidemill_runtime.events import headers_of, new_event
from tidemill_runtime.lifecycle import Worker

from tidemill_gateway import metrics

FLUSH_SECONDS = 0.5
FLUSH_ROWS = 10_000
FINAL_FLUSH_SECONDS = 5.0


@dataclass(frozen=True)
class Unsent:
    """A message that the brokers have not acknowledged; tried again, it is the same event."""

    partition: int
    model: str
    rows: int
    message: bytes
    headers: list[tuple[str, bytes]]


log = logs.get_logger(__name__)


class PredictionLog:
    """Drains the data plane's log and sends it, messages of at most 500 rows side by side."""

    def __init__(self, native: DataPlane, producer: Producer, *, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._native = native
        self._producer = producer
        self._flush_seconds = flush_seconds
        self._unsent: list[Unsent] = []
        self._flushing = asyncio.Lock()
        self._worker = Worker("prediction log", self._run)

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._worker.failed

    async def start(self) -> None:
        await self._worker.start()

    async def stop(self) -> None:
        """Flush what waits, for a few seconds at most; say what is lost."""
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(FINAL_FLUSH_SECONDS):
                await self.flush()
        await self._worker.stop()
        if rows := self._native.log_rows() + sum(batch.rows for batch in self._unsent):
            log.error("predictions not logged before the end", rows=rows)

    async def flush(self) -> None:
        """Send all that waits now; raises Unavailable and keeps what the brokers have not acknowledged.

        What comes meanwhile waits for the next time: else a busy gateway would send many small messages.
        """
        async with self._flushing:
            waiting = self._native.log_rows()
            while self._unsent or waiting > 0:
                if not self._unsent:
                    waiting -= await self._drain()
                await self._send(self._unsent)

    async def _drain(self) -> int:
        partitions = await self._producer.partitions(topics.PREDICTIONS)
        drained = await asyncio.to_thread(self._native.drain_log, FLUSH_ROWS, partitions)
        self._unsent = [Unsent(*batch, headers=_headers(batch[1])) for batch in drained]
        failpoints.hit("gateway.before-log-flush")
        return max(sum(batch.rows for batch in self._unsent), 1)

    async def _run(self) -> None:
        failures = 0
        while True:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.flush()
                failures = 0
            except Unavailable as error:
                failures += 1
                log.warning("predictions wait for Kafka", rows=self._native.log_rows(), error=str(error))
                await asyncio.sleep(backoff(failures, self._flush_seconds))

    async def _send(self, batches: Sequence[Unsent]) -> None:
        sent = await asyncio.gather(*(self._send_one(batch) for batch in batches), return_exceptions=True)
        self._unsent = [batch for batch, fault in zip(batches, sent, strict=True) if fault is not None]
        for fault in sent:
            if fault is not None:
                raise fault

    async def _send_one(self, batch: Unsent) -> None:
        try:
            await self._producer.send_raw(
                topics.PREDICTIONS,
                key=batch.model.encode(),
                value=batch.message,
                headers=batch.headers,
                partition=batch.partition,
            )
        except TooLarge as error:
            log.error("a prediction is too large to be logged", model=batch.model, rows=batch.rows, error=str(error))
            self._native.count_too_large(batch.rows)
        else:
            metrics.LOG_ROWS.labels(batch.model).inc(batch.rows)


def _headers(model: str) -> list[tuple[str, bytes]]:
    return headers_of(new_event("gateway", model, PredictionBatch()))
