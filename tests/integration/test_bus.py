"""The bus on a real Kafka: at least once, in order, nothing lost, nothing in the way."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from bus_log import BusLog
from driver import until
from tidemill.v1.monitoring_pb2 import DeadLetter
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_local.broker import admin
from tidemill_runtime import kafka
from tidemill_runtime.bus import Consumer, Handler, Producer, TableReader
from tidemill_runtime.errors import TooLarge, Unavailable
from tidemill_runtime.events import Event, new_event
from tidemill_runtime.settings import ServiceSettings
from tidemill_runtime.tracing import current_traceparent

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
SECONDS = 30
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OpenConsumer = Callable[..., Any]


def truth(number: int, key: str = "p") -> Event[GroundTruth]:
    return new_event("test", key, GroundTruth(prediction_id=key, label=number))


@pytest.fixture
def group() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def consuming(settings: ServiceSettings, producer: Producer, group: str) -> OpenConsumer:
    """Runs a consumer for a while."""

    @asynccontextmanager
    async def run(topic: str, handler: Handler, **options: Any) -> AsyncIterator[Consumer]:
        consumer = Consumer(
            settings, group, {topic: (GroundTruth, handler)}, producer, backoff_seconds=0.001, **options
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    return run


async def committed(settings: ServiceSettings, group: str, topic: str) -> int:
    """The offset `group` has committed on partition 0, 0 if none."""
    async with admin(settings.kafka_bootstrap) as client:
        offsets = await client.list_consumer_group_offsets(group)
    place = offsets.get(TopicPartition(topic, 0))
    return place.offset if place else 0


async def until_len(items: list[Any], length: int) -> None:
    async def reached() -> bool:
        return len(items) >= length

    await until(reached, SECONDS, f"{length} items")


async def test_every_event_is_handled_in_the_order_of_its_partition(
    consuming: OpenConsumer, producer: Producer, make_topic: Callable[[int], Awaitable[str]]
):
    topic = await make_topic(3)
    handled: list[tuple[str, float]] = []

    async def handle(event: Event[GroundTruth]) -> None:
        handled.append((event.subject, event.data.label))

    keys = [f"key-{number % 7}" for number in range(140)]
    for number, key in enumerate(keys):
        await producer.send(topic, truth(number, key))
    async with consuming(topic, handle):
        await until_len(handled, 140)

    for key in set(keys):
        assert [label for subject, label in handled if subject == key] == [n for n, k in enumerate(keys) if k == key]


async def test_a_producer_that_gave_up_a_message_sends_the_next_ones(
    producer: Producer, settings: ServiceSettings, topic: str
):
    place = TopicPartition(topic, 0)
    await producer.send(topic, truth(1))
    assert producer._client
    producer._client._txn_manager.increment_sequence_number(place, 1)  # as after a message that expired

    with pytest.raises(Unavailable, match="OutOfOrder"):
        await producer.send(topic, truth(2))
    for number in (2, 3):
        await producer.send(topic, truth(number))

    async with BusLog(settings.kafka_bootstrap, [topic]) as log:
        await log.refresh()
        assert [log.parsed(record, GroundTruth).label for record in log.records(topic)] == [1, 2, 3]


async def test_an_offset_is_committed_only_after_its_effect(
    consuming: OpenConsumer, producer: Producer, settings: ServiceSettings, group: str, topic: str
):
    entered, proceed = asyncio.Event(), asyncio.Event()

    async def handle(event: Event[GroundTruth]) -> None:
        entered.set()
        await proceed.wait()

    await producer.send(topic, truth(1))
    async with consuming(topic, handle):
        await asyncio.wait_for(entered.wait(), SECONDS)
        assert await committed(settings, group, topic) == 0
        proceed.set()

        async def is_committed() -> bool:
            return await committed(settings, group, topic) == 1

        await until(is_committed, SECONDS, "the commit")


async def test_a_stop_waits_for_the_event_in_hand_and_commits_it(
    consuming: OpenConsumer, producer: Producer, settings: ServiceSettings, group: str, topic: str
):
    entered, proceed = asyncio.Event(), asyncio.Event()
    handled: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        entered.set()
        await proceed.wait()
        handled.append(event.data.label)

    for number in range(3):
        await producer.send(topic, truth(number))
    async with consuming(topic, handle) as consumer:
        await asyncio.wait_for(entered.wait(), SECONDS)
        stop = asyncio.create_task(consumer.stop())
        await asyncio.sleep(0)
        proceed.set()
        await stop

    assert handled == [0]
    assert await committed(settings, group, topic) == 1


async def test_an_event_whose_handler_did_not_end_comes_again(
    settings: ServiceSettings, producer: Producer, group: str, topic: str
):
    entered = asyncio.Event()
    handled: list[str] = []
    impatient = settings.model_copy(update={"shutdown_seconds": 0.1})

    async def hang(event: Event[GroundTruth]) -> None:
        entered.set()
        await asyncio.Event().wait()

    async def handle(event: Event[GroundTruth]) -> None:
        handled.append(event.id)

    event = truth(1)
    await producer.send(topic, event)
    first = Consumer(impatient, group, {topic: (GroundTruth, hang)}, producer)
    await first.start()
    await asyncio.wait_for(entered.wait(), SECONDS)
    await first.stop()
    second = Consumer(settings, group, {topic: (GroundTruth, handle)}, producer)
    await second.start()
    await until_len(handled, 1)
    await second.stop()

    assert handled == [event.id]


async def test_a_handler_that_fails_twice_is_tried_a_third_time(
    consuming: OpenConsumer, producer: Producer, topic: str, read: Callable[[str], Awaitable[list[Any]]]
):
    attempts: list[float] = []
    handled: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        attempts.append(event.data.label)
        if len(attempts) < 3:
            raise ValueError("not yet")
        handled.append(event.data.label)

    await producer.send(topic, truth(1))
    await producer.send(topic, truth(2))
    async with consuming(topic, handle):
        await until_len(handled, 2)

    assert attempts == [1, 1, 1, 2]
    assert await read(f"{topic}.dlq") == []


async def test_a_poison_message_becomes_a_dead_letter_and_the_partition_moves_on(
    consuming: OpenConsumer, producer: Producer, group: str, topic: str, read: Callable[[str], Awaitable[list[Any]]]
):
    handled: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        if event.data.label == 1:
            raise ValueError("label 1 is poison")
        handled.append(event.data.label)

    poison = truth(1, "bad")
    await producer.send(topic, truth(0))
    await producer.send(topic, poison)
    await producer.send(topic, truth(2))
    async with consuming(topic, handle, max_attempts=3):
        await until_len(handled, 2)

    [message] = await read(f"{topic}.dlq")
    letter = DeadLetter.FromString(message.value)
    assert handled == [0, 2]
    assert message.key == b"bad"
    assert (letter.topic, letter.partition, letter.offset) == (topic, 0, 1)
    assert (letter.cause, letter.attempts, letter.consumer_group) == ("label 1 is poison", 3, group)
    assert (letter.key, GroundTruth.FromString(letter.value)) == (b"bad", poison.data)
    assert letter.headers["ce_id"] == poison.id.encode()


@pytest.mark.parametrize("headers", [[], [("ce_type", b"tidemill.v1.Route")], [("empty", None)]])
async def test_what_is_not_the_event_becomes_a_dead_letter_at_once(
    consuming: OpenConsumer,
    producer: Producer,
    topic: str,
    read: Callable[[str], Awaitable[list[Any]]],
    headers: list[tuple[str, bytes]],
):
    handled: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        handled.append(event.data.label)

    await producer.send_raw(topic, key=None, value=b"\xff\xff", headers=headers)
    await producer.send(topic, truth(2))
    async with consuming(topic, handle):
        await until_len(handled, 1)

    [message] = await read(f"{topic}.dlq")
    letter = DeadLetter.FromString(message.value)
    assert handled == [2]
    assert (letter.value, letter.attempts) == (b"\xff\xff", 1)


async def test_a_poison_message_of_the_largest_size_does_not_block_its_partition(
    consuming: OpenConsumer,
    producer: Producer,
    make_topic: Callable[..., Awaitable[str]],
    read: Callable[[str], Awaitable[list[Any]]],
):
    topic = await make_topic(1, **{"max.message.bytes": "4000"})
    handled: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        handled.append(event.data.label)

    noise = bytes.fromhex("".join(uuid.uuid4().hex for _ in range(240)))
    await producer.send_raw(topic, key=b"large", value=b"\xff" + noise)
    await producer.send(topic, truth(2))
    async with consuming(topic, handle):
        await until_len(handled, 1)

    [message] = await read(f"{topic}.dlq")
    letter = DeadLetter.FromString(message.value)
    assert (letter.topic, letter.offset, letter.value) == (topic, 0, b"")


async def test_a_fault_of_something_downstream_is_tried_until_it_passes(
    consuming: OpenConsumer, producer: Producer, topic: str, read: Callable[[str], Awaitable[list[Any]]]
):
    attempts: list[float] = []
    handled: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        attempts.append(event.data.label)
        if len(attempts) < 8:
            raise Unavailable("the database restarts")
        handled.append(event.data.label)

    await producer.send(topic, truth(1))
    async with consuming(topic, handle, max_attempts=2):
        await until_len(handled, 1)

    assert len(attempts) == 8
    assert await read(f"{topic}.dlq") == []


async def test_a_stop_does_not_wait_for_a_fault_to_pass(
    settings: ServiceSettings, producer: Producer, group: str, topic: str
):
    failing = asyncio.Event()

    async def handle(event: Event[GroundTruth]) -> None:
        failing.set()
        raise Unavailable("the database is gone")

    await producer.send(topic, truth(1))
    consumer = Consumer(settings, group, {topic: (GroundTruth, handle)}, producer, backoff_seconds=10)
    await consumer.start()
    await asyncio.wait_for(failing.wait(), SECONDS)
    await asyncio.wait_for(consumer.stop(), 5)

    assert await committed(settings, group, topic) == 0


async def test_a_replica_without_a_partition_is_ready_too(consuming: OpenConsumer, topic: str):
    async def handle(event: Event[GroundTruth]) -> None:
        return

    async with consuming(topic, handle) as first, consuming(topic, handle) as second:

        async def both_are_ready() -> bool:
            return first.ready and second.ready

        await until(both_are_ready, SECONDS, "both replicas ready")


async def test_a_handler_goes_on_the_trace_of_its_event(consuming: OpenConsumer, producer: Producer, topic: str):
    traces: list[str | None] = []

    async def handle(event: Event[GroundTruth]) -> None:
        traces.append(current_traceparent())

    await producer.send_raw(topic, key=None, value=b"", headers=[("traceparent", TRACEPARENT.encode())])
    async with consuming(topic, handle):
        await until_len(traces, 1)

    assert traces[0] is not None
    assert traces[0].split("-")[1] == TRACEPARENT.split("-")[1]


async def test_send_many_publishes_everything_in_order(
    producer: Producer, topic: str, read: Callable[[str], Awaitable[list[Any]]]
):
    messages = [(str(number).encode(), f"value {number}".encode()) for number in range(500)]

    await producer.send_many(topic, messages)

    assert [(message.key, message.value) for message in await read(topic)] == messages


async def test_a_message_over_the_cap_is_not_tried_for_ever(producer: Producer, make_topic: Callable[..., Any]):
    topic = await make_topic(1, **{"max.message.bytes": "1000"})
    noise = bytes.fromhex("".join(uuid.uuid4().hex for _ in range(100)))

    with pytest.raises(TooLarge, match=topic):
        await producer.send_raw(topic, key=None, value=noise)


async def test_partitions_are_counted(producer: Producer, make_topic: Callable[[int], Awaitable[str]]):
    assert await producer.partitions(await make_topic(3)) == 3


async def test_a_table_reader_sees_everything_there_was_and_then_what_comes(
    settings: ServiceSettings, producer: Producer, make_topic: Callable[..., Awaitable[str]]
):
    topic = await make_topic(2, **{"cleanup.policy": "compact"})
    seen: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        seen.append(event.data.label)

    for number in range(20):
        await producer.send(topic, truth(number, f"key-{number}"))
    reader = TableReader(settings, topic, GroundTruth, handle)
    await reader.start()
    try:
        await asyncio.wait_for(reader.caught_up.wait(), SECONDS)
        assert sorted(seen) == list(range(20))
        await producer.send(topic, truth(20))
        await until_len(seen, 21)
    finally:
        await reader.stop()


async def test_a_table_reader_of_an_empty_topic_has_caught_up(settings: ServiceSettings, topic: str):
    async def handle(event: Event[GroundTruth]) -> None:
        return

    reader = TableReader(settings, topic, GroundTruth, handle)
    await reader.start()
    try:
        await asyncio.wait_for(reader.caught_up.wait(), SECONDS)
    finally:
        await reader.stop()


async def test_a_table_reader_skips_what_is_no_event_and_repeats_what_fails(
    settings: ServiceSettings, producer: Producer, topic: str
):
    attempts: list[float] = []

    async def handle(event: Event[GroundTruth]) -> None:
        attempts.append(event.data.label)
        if len(attempts) == 1:
            raise ValueError("not yet")

    await producer.send_raw(topic, key=b"bad", value=b"\xff\xff")
    await producer.send(topic, truth(5))
    reader = TableReader(settings, topic, GroundTruth, handle)
    await reader.start()
    try:
        await asyncio.wait_for(reader.caught_up.wait(), SECONDS)
    finally:
        await reader.stop()

    assert attempts == [5, 5]


async def test_a_table_reader_needs_its_topic(settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kafka, "START_SECONDS", 1)

    async def handle(event: Event[GroundTruth]) -> None:
        return

    with pytest.raises(Unavailable, match="start of the consumer of absent"):
        await TableReader(settings, "absent", GroundTruth, handle).start()
