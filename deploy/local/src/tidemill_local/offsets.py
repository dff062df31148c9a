"""How full the topics are, and how far the consumers."""

import asyncio
from dataclasses import dataclass

from aiokafka import TopicPartition

from tidemill_local.broker import SECONDS, admin, consumer


@dataclass(frozen=True)
class Lag:
    """Messages of `topic` that `group` has not committed yet."""

    group: str
    topic: str
    messages: int


async def end_offsets(bootstrap: str) -> dict[str, list[int]]:
    """End offset of each partition of every topic that is not Kafka's own. Raises StackError."""
    places = await partitions(bootstrap)
    ends = await _ends(bootstrap, places)
    result: dict[str, list[int]] = {place.topic: [] for place in places}
    for place in places:
        result[place.topic].append(ends[place])
    return result


async def partitions(bootstrap: str, *topics: str) -> list[TopicPartition]:
    """Every partition of `topics`, all of them if none is named, Kafka's own left out. Raises StackError."""
    async with admin(bootstrap) as client:
        described = await asyncio.wait_for(client.describe_topics(list(topics) or None), SECONDS)
    places = [TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]]
    return sorted(place for place in places if not place.topic.startswith("__"))


async def lags(bootstrap: str) -> list[Lag]:
    """Lag of every consumer group on every topic it has committed to. Raises StackError."""
    async with admin(bootstrap) as client:
        groups = sorted({name for name, *_ in await asyncio.wait_for(client.list_consumer_groups(), SECONDS)})
        committed = {
            group: await asyncio.wait_for(client.list_consumer_group_offsets(group), SECONDS) for group in groups
        }
    ends = await _ends(bootstrap, sorted({place for offsets in committed.values() for place in offsets}))
    rows = []
    for group, offsets in committed.items():
        for topic in sorted({place.topic for place in offsets}):
            behind = (ends[place] - offset.offset for place, offset in offsets.items() if place.topic == topic)
            rows.append(Lag(group, topic, sum(max(0, messages) for messages in behind)))
    return rows


async def _ends(bootstrap: str, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    async with consumer(bootstrap) as client:
        ends: dict[TopicPartition, int] = await asyncio.wait_for(client.end_offsets(places), SECONDS)
    return ends
