"""A producer that keeps what it is given."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from tidemill_runtime.bus import Producer
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.events import Event, headers_of


@dataclass(frozen=True)
class Sent:
    """A message that was published."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partition: int | None


class FakeProducer(Producer):
    """Keeps messages in `sent`; raises Unavailable while `available` is False."""

    def __init__(self, partition_count: int = 4) -> None:
        self.sent: list[Sent] = []
        self.events: list[tuple[str, Event[Message]]] = []
        self.available = True
        self._partition_count = partition_count

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def send(self, topic: str, event: Event[Message], *, partition: int | None = None) -> None:
        await self.send_raw(
            topic,
            key=event.subject.encode(),
            value=event.data.SerializeToString(),
            headers=headers_of(event),
            partition=partition,
        )
        self.events.append((topic, event))

    async def send_raw(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        if not self.available:
            raise Unavailable("Kafka: made unavailable by a test")
        self.sent.append(Sent(topic, key, value, tuple(headers), partition))

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes | None, bytes]]) -> None:
        for key, value in messages:
            await self.send_raw(topic, key=key, value=value)

    async def partitions(self, topic: str) -> int:
        return self._partition_count
