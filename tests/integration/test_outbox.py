"""The outbox and the inbox on a real PostgreSQL and Kafka."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from driver import until
from sqlalchemy import text
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_registry.app import MIGRATIONS
from tidemill_runtime.bus import Producer
from tidemill_runtime.database import Database
from tidemill_runtime.errors import InvalidInput, Unavailable
from tidemill_runtime.events import Event, headers_of, new_event
from tidemill_runtime.outbox import OutboxRelay, enqueue, is_new
from tidemill_runtime.settings import ServiceSettings
from tidemill_runtime.testing import FakeProducer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
CRASH = """
import asyncio, sys
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_registry.app import MIGRATIONS
from tidemill_registry.settings import RegistrySettings
from tidemill_runtime import failpoints
from tidemill_runtime.bus import Producer
from tidemill_runtime.database import Database
from tidemill_runtime.events import new_event
from tidemill_runtime.outbox import OutboxRelay, enqueue

async def main():
    settings = RegistrySettings()
    database, producer = Database(settings, sys.argv[1], MIGRATIONS), Producer(settings, "crash")
    await database.start()
    await producer.start()
    failpoints.arm("outbox.after-publish")
    relay = OutboxRelay(database, producer)
    print("published", await relay.publish_pending(), flush=True)
    async with database.transaction() as session:
        await enqueue(session, sys.argv[2], new_event("test", "key-1", GroundTruth(), id="once"))
    print("published", await relay.publish_pending(), flush=True)

asyncio.run(main())
"""
Read = Callable[[str], Awaitable[list[Any]]]


def truth(number: int) -> Event[GroundTruth]:
    return new_event("test", f"key-{number}", GroundTruth(label=number))


async def enqueue_all(database: Database, topic: str, *events: Event[GroundTruth]) -> None:
    async with database.transaction() as session:
        for event in events:
            await enqueue(session, topic, event)


async def pending(database: Database) -> int:
    async with database.transaction() as session:
        return (await (await session.connection()).execute(text("SELECT count(*) FROM outbox"))).scalar_one()


async def test_exactly_what_committed_is_published_in_order_and_as_it_was_enqueued(
    database: Database, producer: Producer, topic: str, read: Read
):
    events = [truth(number) for number in range(50)]
    await enqueue_all(database, topic, *events)

    published = await OutboxRelay(database, producer).publish_pending()

    messages = await read(topic)
    assert published == 50
    assert [message.headers for message in messages] == [dict(headers_of(event)) for event in events]
    assert [message.key for message in messages] == [event.subject.encode() for event in events]
    assert [message.value for message in messages] == [event.data.SerializeToString() for event in events]
    assert await pending(database) == 0


async def test_nothing_is_published_of_a_transaction_that_rolled_back(
    database: Database, producer: Producer, topic: str, read: Read
):
    async def roll_back() -> None:
        async with database.transaction() as session:
            await enqueue(session, topic, truth(1))
            await session.flush()
            raise RuntimeError("second thoughts")

    with pytest.raises(RuntimeError, match="second thoughts"):
        await roll_back()
    await enqueue_all(database, topic, truth(2))

    assert await OutboxRelay(database, producer).publish_pending() == 1
    assert [message.key for message in await read(topic)] == [b"key-2"]


async def test_a_transaction_that_commits_late_is_not_overtaken_for_good(
    database: Database, producer: Producer, topic: str, read: Read
):
    relay = OutboxRelay(database, producer)
    async with database.transaction() as slow:
        await enqueue(slow, topic, truth(1))
        await slow.flush()
        await enqueue_all(database, topic, truth(2))
        assert await relay.publish_pending() == 1
    assert await relay.publish_pending() == 1

    assert [message.key for message in await read(topic)] == [b"key-2", b"key-1"]


async def test_more_than_a_batch_is_published_batch_by_batch(database: Database, topic: str):
    producer = FakeProducer()
    relay = OutboxRelay(database, producer)
    await enqueue_all(database, topic, *(truth(number) for number in range(250)))

    assert [await relay.publish_pending() for _ in range(4)] == [100, 100, 50, 0]
    assert [sent.key for sent in producer.sent] == [f"key-{number}".encode() for number in range(250)]


async def test_the_relay_publishes_by_itself_while_it_runs(
    database: Database, producer: Producer, topic: str, read: Read
):
    relay = OutboxRelay(database, producer)
    await relay.start()
    try:
        await enqueue_all(database, topic, truth(1))

        async def is_published() -> bool:
            return len(await read(topic)) == 1

        await until(is_published, 30, "the event is published")
    finally:
        await relay.stop()


async def test_two_relays_publish_each_event_once(database: Database, producer: Producer, topic: str, read: Read):
    events = [truth(number) for number in range(30)]
    await enqueue_all(database, topic, *events)

    counts = await asyncio.gather(*(OutboxRelay(database, producer).publish_pending() for _ in range(2)))

    assert sorted(counts) == [0, 30]
    assert [message.key for message in await read(topic)] == [event.subject.encode() for event in events]


async def test_events_wait_while_kafka_is_away(database: Database, topic: str):
    producer = FakeProducer()
    producer.available = False
    relay = OutboxRelay(database, producer)
    await enqueue_all(database, topic, truth(1))

    with pytest.raises(Unavailable):
        await relay.publish_pending()
    assert await pending(database) == 1
    producer.available = True

    assert await relay.publish_pending() == 1
    assert await pending(database) == 0


@pytest.mark.usefixtures("settings")
async def test_a_crash_between_publishing_and_deleting_repeats_the_event_with_the_same_id(
    database: Database, producer: Producer, topic: str, read: Read
):
    relay = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CRASH, database.schema, topic, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await asyncio.wait_for(relay.communicate(), 60)
    assert (printed, relay.returncode) == (b"published 0\n", -signal.SIGKILL)

    assert await OutboxRelay(database, producer).publish_pending() == 1

    assert [message.headers["ce_id"] for message in await read(topic)] == [b"once", b"once"]


async def test_the_inbox_knows_an_event_it_has_seen(database: Database):
    async with database.transaction() as session:
        assert await is_new(session, "registry", "e-1")
    async with database.transaction() as session:
        assert not await is_new(session, "registry", "e-1")
        assert await is_new(session, "monitor", "e-1")
        assert await is_new(session, "registry", "e-2")


async def test_the_inbox_forgets_an_event_whose_effect_rolled_back(database: Database):
    async def roll_back() -> None:
        async with database.transaction() as session:
            assert await is_new(session, "registry", "e-1")
            raise RuntimeError("second thoughts")

    with pytest.raises(RuntimeError, match="second thoughts"):
        await roll_back()
    async with database.transaction() as session:
        assert await is_new(session, "registry", "e-1")


async def test_of_two_replicas_with_the_same_event_at_once_one_has_it_new(database: Database):
    async def consume() -> bool:
        async with database.transaction() as session:
            return await is_new(session, "registry", "e-1")

    assert sorted(await asyncio.gather(*(consume() for _ in range(5)))) == [False] * 4 + [True]


async def test_the_database_answers_and_migrates_again_without_harm(database: Database, settings: ServiceSettings):
    again = Database(settings, database.schema, MIGRATIONS)
    await again.start()

    assert await again.is_reachable()
    await again.stop()


@pytest.mark.parametrize("value", ["nul \x00", 2**70])
async def test_a_value_the_database_cannot_hold_is_invalid_input(database: Database, value: object):
    statement = "SELECT CAST(:value AS text)" if isinstance(value, str) else "SELECT CAST(:value AS bigint)"
    with pytest.raises(InvalidInput):
        async with database.transaction() as session:
            await (await session.connection()).execute(text(statement), {"value": value})
