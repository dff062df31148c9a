"""Dead letters: what is in a `.dlq` topic, and sending it again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from google.protobuf.message import DecodeError
from tidemill.v1.monitoring_pb2 import DeadLetter

from tidemill_local.broker import SECONDS, consumer, producer
from tidemill_local.errors import StackError
from tidemill_local.offsets import partitions

REPLAY_GROUP = "tidemill-dlq-replay"


@dataclass(frozen=True)
class Letter:
    """A dead letter, where it lies, and whether it was sent again."""

    place: TopicPartition
    offset: int
    content: DeadLetter
    replayed: bool


async def letters(bootstrap: str, topic: str) -> list[Letter]:
    """Every letter of `<topic>.dlq`, the oldest first. Raises StackError."""
    async with consumer(bootstrap, REPLAY_GROUP) as client:
        return [letter async for letter in _read(bootstrap, client, topic)]


async def replay(bootstrap: str, topic: str) -> int:
    """Send every letter of `<topic>.dlq` that was not yet sent again to `topic`; returns how many.

    Progress is committed letter by letter, so after a crash at most one letter goes twice, with the same event id.
    """
    count = 0
    async with consumer(bootstrap, REPLAY_GROUP) as client, producer(bootstrap) as sender:
        async for letter in _read(bootstrap, client, topic):
            if letter.replayed or not letter.content.topic:
                continue
            original = letter.content
            if original.topic != topic:
                raise StackError(f"Letter {letter.offset} of {topic}.dlq came from {original.topic!r}.")
            sent = sender.send_and_wait(
                topic, key=original.key or None, value=original.value, headers=list(original.headers.items())
            )
            await asyncio.wait_for(sent, SECONDS)
            await asyncio.wait_for(client.commit({letter.place: letter.offset + 1}), SECONDS)
            count += 1
    return count


async def _read(bootstrap: str, client: AIOKafkaConsumer, topic: str) -> AsyncIterator[Letter]:
    dead = topic.removesuffix(".dlq") + ".dlq"
    places = await partitions(bootstrap, dead)
    if not places:
        raise StackError(f"There is no topic {dead}.", "See ./tidemill topics list")
    for place in places:
        client.assign([place])
        await client.seek_to_beginning(place)
        end = (await asyncio.wait_for(client.end_offsets([place]), SECONDS))[place]
        done = await asyncio.wait_for(client.committed(place), SECONDS) or 0
        while await client.position(place) < end:
            for message in (await client.getmany(place, timeout_ms=500)).get(place, ()):
                yield Letter(place, message.offset, _content(message.value), message.offset < done)


def _content(value: bytes) -> DeadLetter:
    """The letter; what is none is shown as such, and never sent anywhere."""
    try:
        return DeadLetter.FromString(value)
    except DecodeError:
        return DeadLetter(cause="not a dead letter", value=value)
