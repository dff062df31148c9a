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
OpenConsumer = Callable[[ServiceSettings, str | None, str], Awaitable[AIOKafkaConsumer]]

log = logs.get_logger(__name__)


class StreamReader:
    """Batches of messages by topic. `positions(topic, partitions)` gives the offsets to resume from.

    Kafka's own offsets may be ahead of the lake, and a batch with a gap would be stored as if nothing were missing. So
    whenever partitions are assigned, what was read is forgotten and every partition is rewound to the lake's position,
    by the task that reads: nothing is fetched meanwhile.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        topics: Sequence[str],
        positions: Positions,
        open_consumer: OpenConsumer = kafka.open_consumer,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._positions = positions
        self._open_consumer = open_consumer
        self._client: AIOKafkaConsumer | None = None
        self.rewound: frozenset[TopicPartition] = frozenset()
        self.must_rewind = False

    @property
    def assigned(self) -> frozenset[tuple[str, int]]:
        """(topic, partition) pairs this member reads."""
        return frozenset((p.topic, p.partition) for p in self._client.assignment()) if self._client else frozenset()

    async def start(self) -> None:
        self._client = await self._open_consumer(self._settings, GROUP, GROUP)
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
            if self.must_rewind:
                batch, count = {}, 0
                await self.rewind()
            wait = min(POLL_MS, int(left * 1000) + 1)
            polled = await self._client.getmany(timeout_ms=wait, max_records=rows - count)
            if self.must_rewind:
                continue
            for partition in polled.keys() & self.rewound:
                batch.setdefault(partition.topic, []).extend(_message(record) for record in polled[partition])
                count += len(polled[partition])
        return {} if self.must_rewind else batch

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
        self.must_rewind = False
        assigned = frozenset(self._client.assignment())
        for topic in {place.topic for place in assigned}:
            partitions = [place.partition for place in assigned if place.topic == topic]
            for partition, offset in (await self._positions(topic, partitions)).items():
                self._client.seek(TopicPartition(topic, partition), offset)
        self.rewound = assigned


class _Rewinder(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: object) -> None:
        self._reader.rewound = frozenset()

    async def on_partitions_assigned(self, assigned: object) -> None:
        self._reader.must_rewind = True


def _message(record: ConsumerRecord) -> Message:
    return Message(
        partition=record.partition,
        offset=record.offset,
        received_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        key=record.key,
        value=record.value or b"",
        headers=tuple(record.headers),
    )
