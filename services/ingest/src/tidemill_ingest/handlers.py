"""What ingest does with a batch: store it, tell Kafka where the lake stands, write the data sets that are due."""

import asyncio
from collections.abc import Mapping, Sequence

from opentelemetry.trace import SpanKind
from tidemill.v1.data_pb2 import DataArrived
from tidemill_contracts import topics
from tidemill_runtime import failpoints, logs, tracing
from tidemill_runtime.bus import Producer, backoff
from tidemill_runtime.errors import Conflict, Unavailable
from tidemill_runtime.events import derived_id, new_event

from tidemill_ingest import metrics
from tidemill_ingest.adapters.reader import StreamReader
from tidemill_ingest.datasets import DatasetWriter
from tidemill_ingest.domain.messages import Message
from tidemill_ingest.settings import IngestSettings
from tidemill_ingest.storing import StreamStore

LEADER = (topics.GROUND_TRUTH, 0)

log = logs.get_logger(__name__)


class Collector:
    """Moves the streams into the lake. The member that reads ground truth's partition 0 writes the data sets."""

    def __init__(
        self,
        settings: IngestSettings,
        stores: Mapping[str, StreamStore],
        writers: Sequence[DatasetWriter],
        producer: Producer,
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._writers = writers
        self._producer = producer
        self.lake_lock = asyncio.Lock()
        self._leads = False
        self.reader = StreamReader(settings, list(stores), self._positions)

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            batch = await self.reader.read(self._settings.ingest_flush_rows, self._settings.ingest_flush_seconds)
            await self._store(batch)
            await self._write_datasets()

    async def _store(self, batch: Mapping[str, list[Message]]) -> None:
        attempt = 0
        while True:
            try:
                for topic, messages in batch.items():
                    await self._store_one(topic, messages)
                failpoints.hit("ingest.before-kafka-commit")
                await self.reader.commit(
                    {(topic, m.partition): m.offset + 1 for topic, messages in batch.items() for m in messages}
                )
                return
            except Conflict as error:
                log.warning("going on from where the lake stands", error=str(error))
                await self.reader.rewind()
                return
            except Unavailable as error:
                attempt += 1
                log.warning("the lake does not take the batch; trying again", error=str(error), attempt=attempt)
                await asyncio.sleep(backoff(attempt, 0.5))

    async def _store_one(self, topic: str, messages: list[Message]) -> None:
        store = self._stores[topic]
        async with self.lake_lock:
            with metrics.BATCH_SECONDS.labels(topic).time():
                await asyncio.to_thread(store.store, messages)

    async def _positions(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        async with self.lake_lock:
            return await asyncio.to_thread(self._stores[topic].positions, partitions)

    async def _write_datasets(self) -> None:
        led, self._leads = self._leads, LEADER in self.reader.assigned
        if not self._leads:
            return
        for writer in self._writers:
            async with self.lake_lock:
                announcement = await asyncio.to_thread(writer.write_if_due if led else writer.resume)
            if announcement:
                with tracing.span("data arrived", kind=SpanKind.PRODUCER):
                    await self._announce(announcement)

    async def _announce(self, announcement: DataArrived) -> None:
        identifier = derived_id(topics.DATA_ARRIVED, announcement.pipeline, announcement.version)
        event = new_event("ingest", announcement.pipeline, announcement, id=identifier)
        attempt = 0
        while True:
            try:
                await self._producer.send(topics.DATA_ARRIVED, event)
                break
            except Unavailable as error:
                attempt += 1
                log.warning("announcement not sent; trying again", error=str(error))
                await asyncio.sleep(backoff(attempt, 0.5))
        failpoints.hit("ingest.after-announce")
        log.info("data arrived", pipeline=announcement.pipeline, version=announcement.version, rows=announcement.rows)
