"""A message as it stood in Kafka, and the ports of the two stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message as Data
from tidemill_runtime.events import Event, M, decode, decode_data


@dataclass(frozen=True)
class Message:
    """A message of a topic; `received`: when Kafka got it, microseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    received: int = 0

    def event(self, expected: type[M]) -> Event[M]:
        """What it says. Raises InvalidInput if it is not an `expected`."""
        position = f"{self.topic}/{self.partition}/{self.offset}"
        return decode(self.value, self.headers, expected, position=position, key=self.key)

    def data(self, *expected: type[M]) -> M:
        """Its data alone, one of the `expected` types. Raises InvalidInput if it is none of them."""
        return decode_data(self.value, self.headers, expected)


class StateLog(Protocol):
    """Where a stage's state is kept; what it holds comes back after a crash."""

    async def write(self, partition: int, changes: Sequence[tuple[str, bytes | None]]) -> None:
        """Store values by key, None removes; returns when they are safe. Raises Unavailable when they may not be."""


class Publisher(Protocol):
    """Where events go; returns when they are safe."""

    async def send(self, topic: str, event: Event[Data], *, partition: int | None = None) -> None: ...


class Refusals(Protocol):
    """Where a message goes that cannot be used; returns when it is safe."""

    async def __call__(self, message: Message, error: Exception, /) -> None: ...
