"""The reader gives out only what follows the lake's position without a gap."""

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

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


async def test_nothing_read_before_or_during_a_rewind_is_given_out() -> None:
    partition = Partition()
    lake_was_asked, lake_answers = asyncio.Event(), asyncio.Event()

    async def open_consumer(*_: object) -> Partition:
        return partition

    async def positions(topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        lake_was_asked.set()
        await lake_answers.wait()
        return dict.fromkeys(partitions, LAKE_POSITION)

    reader = StreamReader(None, [TOPIC], positions, open_consumer)
    await reader.start()
    reading = asyncio.create_task(reader.read(rows=7, seconds=5))
    rewinding = asyncio.create_task(partition.listener.on_partitions_assigned({PLACE}))
    await lake_was_asked.wait()
    while partition.position < 10:
        await asyncio.sleep(0)
    lake_answers.set()
    await rewinding
    batch = await reading
    assert [message.offset for message in batch[TOPIC]] == list(range(LAKE_POSITION, 10))
