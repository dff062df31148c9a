"""Reads the streams from Kafka in batches. The lake says where to resume; Kafka's offsets are for the lag's display."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from tidemill_runtime import kafka, logs
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.settings import ServiceSettings

from tidemill_ingest.domain.messages import Message

GROUP = "ingest"
POLL_MS = 200

Positions = Callable[[str, Sequence[int]], Awaitable[Mapping[int, int]]]

log = logs.get_logger(__name__)


class StreamReader:
    """Batches of messages by topic. `positions(topic, partitions)` gives the offsets to resume from."""

    def __init__(self, settings: ServiceSettings, topics: Sequence[str], positions: Positions) -> None:
        self._settings = settings
        self._topics = topics
        self._positions = positions
        self._client: AIOKafkaConsumer | None = None

    @property
    def assigned(self) -> frozenset[tuple[str, int]]:
        """(topic, partition) pairs this member reads."""
        return frozenset((p.topic, p.partition) for p in self._client.assignment()) if self._client else frozenset()

    async def start(self) -> None:
        self._client = await kafka.open_consumer(self._settings, GROUP, GROUP)
        self._client.subscribe(list(self._topics), listener=_Rewinder(self))

    async def stop(self) -> None:
        if self._client:
            await kafka.close(self._client)

    async def read(self, rows: int, seconds: float) -> Mapping[str, list[Message]]:
        """Up to `rows` messages, waiting up to `seconds` for them."""
        assert self._client
        batch: dict[str, list[Message]] = {}
        count = 0
        deadline = asyncio.get_running_loop().time() + seconds
        while count < rows and (left := deadline - asyncio.get_running_loop().time()) > 0:
            wait = min(POLL_MS, int(left * 1000) + 1)
            polled = await self._client.getmany(timeout_ms=wait, max_records=rows - count)
            for partition, records in polled.items():
                batch.setdefault(partition.topic, []).extend(_message(record) for record in records)
                count += len(records)
        return batch

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Tell Kafka how far the lake is, as far as the partitions are still ours."""
        assert self._client
        owned = {TopicPartition(*place): offset for place, offset in offsets.items() if place in self.assigned}
        try:
            if owned:
                await kafka.call(self._client.commit(owned), "commit of offsets")
        except (Unavailable, CommitFailedError, IllegalStateError) as error:
            log.warning("offsets not committed to Kafka; the lake has them", error=str(error))

    async def rewind(self) -> None:
        """Go on where the lake stands, on every partition that is assigned now."""
        assert self._client
        by_topic: dict[str, list[int]] = {}
        for topic, partition in self.assigned:
            by_topic.setdefault(topic, []).append(partition)
        for topic, partitions in by_topic.items():
            for partition, offset in (await self._positions(topic, partitions)).items():
                self._client.seek(TopicPartition(topic, partition), offset)


class _Rewinder(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: object) -> None:
        return

    async def on_partitions_assigned(self, assigned: object) -> None:
        await self._reader.rewind()


def _message(record: ConsumerRecord) -> Message:
    return Message(
        partition=record.partition,
        offset=record.offset,
        received_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=record.key,
        value=record.value or b"",
        headers=tuple(record.headers),
    )
