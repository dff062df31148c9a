"""What is in a topic, read without the runtime."""

from dataclasses import dataclass

from tidemill_local.broker import consumer
from tidemill_local.offsets import partitions


@dataclass(frozen=True)
class Message:
    """A message as it lies in its partition."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


async def read_all(bootstrap: str, topic: str) -> list[Message]:
    """Every message of `topic`, partition by partition, up to its end now."""
    found: list[Message] = []
    async with consumer(bootstrap) as client:
        for place in await partitions(bootstrap, topic):
            client.assign([place])
            await client.seek_to_beginning(place)
            end = (await client.end_offsets([place]))[place]
            while await client.position(place) < end:
                for message in (await client.getmany(place, timeout_ms=200)).get(place, ()):
                    found.append(Message(place.partition, message.key, message.value, dict(message.headers)))
    return found
