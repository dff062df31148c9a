"""What stands in some topics, read on as it grows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from google.protobuf.message import Message
from tidemill_local.offsets import partitions
from tidemill_runtime import kafka
from tidemill_runtime.events import headers_of, new_event


@dataclass(frozen=True)
class Record:
    """A message as it lies in its partition."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]

    @property
    def identity(self) -> str:
        """Event id."""
        return self.headers.get("ce_id", b"").decode()


@dataclass
class BusLog:
    """Reads topics and writes to any; an async context."""

    bootstrap: str
    topics: Sequence[str]
    _records: dict[str, list[Record]] = field(default_factory=dict)
    _by_key: dict[tuple[str, bytes | None], list[Record]] = field(default_factory=dict)
    _parsed: dict[int, Message] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True)
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await self._producer.start()
        await self._consumer.start()
        self._places = await partitions(self.bootstrap, *self.topics)
        self._consumer.assign(self._places)
        return self

    async def __aexit__(self, *_: object) -> None:
        await kafka.close(self._consumer)
        await kafka.close(self._producer)

    async def send(self, topic: str, data: Message, *, partition: int | None = None, key: str = "") -> None:
        """An event, as the project's services send it."""
        event = new_event("test", key, data)
        await self.send_raw(topic, data.SerializeToString(), partition, key.encode(), headers_of(event))

    async def send_raw(
        self,
        topic: str,
        value: bytes | None,
        partition: int | None = None,
        key: bytes | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> tuple[int, int]:
        """Any message; its partition and offset."""
        sent = await self._producer.send_and_wait(
            topic, value=value, key=key, headers=list(headers), partition=partition
        )
        return sent.partition, sent.offset

    async def refresh(self) -> None:
        """Read up to where the topics end now."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._places)
        for place, end in ends.items():
            while await self._consumer.position(place) < end:
                await self._read()

    def records(self, topic: str, key: bytes | None = None) -> list[Record]:
        """What was read of a topic, with this key if one is given, in order within each partition."""
        return self._records.get(topic, []) if key is None else self._by_key.get((topic, key), [])

    def parsed(self, record: Record, kind: type[Any]) -> Any:
        """The record's data."""
        if id(record) not in self._parsed:
            self._parsed[id(record)] = kind.FromString(record.value or b"")
        return self._parsed[id(record)]

    async def _read(self) -> None:
        for place, messages in (await self._consumer.getmany(timeout_ms=200)).items():
            for one in messages:
                record = Record(place.partition, one.offset, one.key, one.value, dict(one.headers))
                self._records.setdefault(place.topic, []).append(record)
                self._by_key.setdefault((place.topic, record.key), []).append(record)
