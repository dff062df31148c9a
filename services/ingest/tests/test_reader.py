"""The reader gives out only what follows the lake's position without a gap."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from tidemill_ingest.adapters.reader import StreamReader

TOPIC = "records.rides"
PLACE = TopicPartition(TOPIC, 0)
LAKE_POSITION = 3
KAFKA_POSITION = 6


class Partition:
    """A Kafka consumer of one partition with ten messages, that starts where Kafka thinks the group stands."""

    def __init__(self) -> None:
        self.position = KAFKA_POSITION
        self.listener = None

    def subscribe(self, topics: Sequence[str], listener) -> None:
        self.listener = listener

    def assignment(self) -> set[TopicPartition]:
        return {PLACE}

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.position = offset

    async def getmany(self, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, list]:
        await asyncio.sleep(0)
        offsets = range(self.position, min(self.position + min(2, max_records), 10))
        self.position = offsets.stop
        return {PLACE: [_record(offset) for offset in offsets]}


def _record(offset: int) -> SimpleNamespace:
    return SimpleNamespace(topic=TOPIC, partition=0, offset=offset, timestamp=0, key=None, value=b"", headers=())


class Rebalancing(Partition):
    """Reads on while its partition is assigned anew: the news comes in the middle of a poll."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.polls = 0
        self.at = at

    async def getmany(self, timeout_ms: int, max_records: int) -> Mapping[TopicPartition, list]:
        polled = await super().getmany(timeout_ms, max_records)
        self.polls += 1
        if self.polls == self.at:
            await self.listener.on_partitions_revoked({PLACE})
            await self.listener.on_partitions_assigned({PLACE})
        return polled


@pytest.mark.parametrize("poll", [1, 2, 3])
async def test_whenever_partitions_are_assigned_a_batch_begins_where_the_lake_stands(poll: int) -> None:
    partition = Rebalancing(poll)

    async def open_consumer(*_: object) -> Partition:
        return partition

    async def positions(topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        return dict.fromkeys(partitions, LAKE_POSITION)

    reader = StreamReader(None, [TOPIC], positions, open_consumer)
    await reader.start()
    await partition.listener.on_partitions_assigned({PLACE})
    batch = await reader.read(rows=7, seconds=5)
    assert [message.offset for message in batch[TOPIC]] == list(range(LAKE_POSITION, 10))


async def test_what_kafka_gives_before_the_assignment_is_known_is_not_taken() -> None:
    partition = Partition()

    async def open_consumer(*_: object) -> Partition:
        return partition

    async def positions(topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        return dict.fromkeys(partitions, LAKE_POSITION)

    reader = StreamReader(None, [TOPIC], positions, open_consumer)
    await reader.start()
    assert await reader.read(rows=7, seconds=0.05) == {}
