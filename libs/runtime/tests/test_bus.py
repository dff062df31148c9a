"""What of the bus needs no Kafka; the rest is in tests/integration."""

import asyncio
import socket
import time
from contextlib import closing
from types import SimpleNamespace

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, OutOfOrderSequenceNumber
from hypothesis import given
from hypothesis import strategies as st
from tidemill_runtime import errors, kafka
from tidemill_runtime.bus import MAX_BACKOFF_SECONDS, MAX_CAUSE_CHARACTERS, Producer, backoff, dead_letter, is_transient
from tidemill_runtime.settings import ServiceSettings


def message(headers: tuple[tuple[str, bytes | None], ...] = (), key: bytes | None = b"k") -> ConsumerRecord:
    return ConsumerRecord("rides", 3, 41, 0, 0, key, b"value", None, 1, 5, headers)


@given(attempt=st.integers(1, 10_000), base=st.floats(0.001, 100))
def test_a_wait_is_never_nothing_and_never_above_the_cap(attempt: int, base: float):
    wait = backoff(attempt, base)

    longest = min(MAX_BACKOFF_SECONDS, base * 2.0 ** min(attempt - 1, 16))
    assert 0 < longest / 2 <= wait <= longest <= MAX_BACKOFF_SECONDS


@given(base=st.floats(0.001, 0.01), attempt=st.integers(1, 8))
def test_waits_grow(base: float, attempt: int):
    assert backoff(attempt + 2, base) > backoff(attempt, base)


def test_waits_are_spread():
    assert len({backoff(3, 1) for _ in range(50)}) > 1


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (errors.Unavailable("down"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (errors.InvalidInput("wrong"), False),
        (errors.Conflict("late"), False),
        (errors.TidemillError("?"), False),
        (ValueError(), False),
        (KeyError("x"), False),
    ],
    ids=repr,
)
def test_only_a_fault_of_something_downstream_is_transient(error: Exception, transient: bool):
    assert is_transient(error) is transient


def test_a_dead_letter_says_what_where_why_and_how_often():
    letter = dead_letter(message((("ce_id", b"e-1"),)), "registry", ValueError("no such model"), 5)

    assert (letter.topic, letter.partition, letter.offset) == ("rides", 3, 41)
    assert (letter.consumer_group, letter.cause, letter.attempts) == ("registry", "no such model", 5)
    assert (letter.key, letter.value, dict(letter.headers)) == (b"k", b"value", {"ce_id": b"e-1"})
    assert abs(letter.failed_at.ToSeconds() - time.time()) < 60


def test_a_dead_letter_is_made_of_any_message():
    letter = dead_letter(message((("empty", None),), key=None), "registry", KeyError(), 1)

    assert (letter.key, dict(letter.headers), letter.cause) == (b"", {"empty": b""}, "KeyError")


def test_a_dead_letters_cause_is_of_bounded_length():
    letter = dead_letter(message(), "registry", ValueError("x" * 10_000_000), 1)

    assert len(letter.cause) == MAX_CAUSE_CHARACTERS


async def test_a_call_that_hangs_is_unavailable_after_its_time():
    with pytest.raises(errors.Unavailable, match=r"Kafka: commit took more than 0\.01 s"):
        await kafka.call(asyncio.Event().wait(), "commit", seconds=0.01)


@pytest.mark.parametrize(
    ("cause", "error"), [(KafkaConnectionError, errors.Unavailable), (MessageSizeTooLargeError, errors.TooLarge)]
)
async def test_an_error_of_the_client_becomes_one_of_ours(cause: type[Exception], error: type[Exception]):
    async def fail() -> None:
        raise cause("no luck")

    with pytest.raises(error, match=r"Kafka: commit: .*no luck"):
        await kafka.call(fail(), "commit")


async def test_a_producer_without_kafka_is_unavailable(settings: ServiceSettings):
    producer = Producer(settings, "example")

    with pytest.raises(errors.Unavailable, match="Kafka: start of the producer"):
        await producer.start()
    with pytest.raises(errors.Unavailable, match="not started"):
        await producer.send_raw("rides", key=None, value=b"")


async def test_a_producer_gives_up_a_kafka_that_accepts_and_never_answers(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kafka, "START_SECONDS", 0.3)
    host, port = settings.kafka_bootstrap.split(":")
    began = time.monotonic()

    with (
        closing(socket.create_server((host, int(port)))),
        pytest.raises(errors.Unavailable, match=r"start of the producer took more than 0\.3 s"),
    ):
        await Producer(settings, "example").start()

    assert time.monotonic() - began < 10


class Clients:
    """Stands for aiokafka: its first client fails every message, later ones cannot be opened until `reachable`."""

    def __init__(self) -> None:
        self.opened = 0
        self.abandoned: list[object] = []
        self.reachable = asyncio.Event()

    async def open(self, *_: object) -> SimpleNamespace:
        self.opened += 1
        if self.opened > 1:
            await self.reachable.wait()
        return SimpleNamespace(number=self.opened, send_and_wait=self.refuse if self.opened == 1 else self.take)

    async def abandon(self, client: object) -> None:
        self.abandoned.append(client)

    async def refuse(self, *_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise OutOfOrderSequenceNumber

    async def take(self, *_: object, **__: object) -> None:
        return


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    clients = Clients()
    monkeypatch.setattr(kafka, "open_producer", clients.open)
    monkeypatch.setattr(kafka, "abandon", clients.abandon)
    monkeypatch.setattr(kafka, "close", clients.abandon)
    return clients


async def test_senders_wait_for_one_new_client_together(settings: ServiceSettings, clients: Clients):
    producer = Producer(settings, "example")
    await producer.start()
    failed = await asyncio.gather(
        *(producer.send_raw("rides", key=None, value=b"") for _ in range(5)), return_exceptions=True
    )
    assert [type(one) for one in failed] == [errors.Unavailable] * 5
    assert len(clients.abandoned) == 1

    sending = [asyncio.create_task(producer.send_raw("rides", key=None, value=b"")) for _ in range(5)]
    while clients.opened < 2:
        await asyncio.sleep(0)
    sending[0].cancel()
    clients.reachable.set()
    await asyncio.gather(*sending[1:])
    assert clients.opened == 2


async def test_a_stop_does_not_wait_for_a_new_client(settings: ServiceSettings, clients: Clients):
    producer = Producer(settings, "example")
    await producer.start()
    with pytest.raises(errors.Unavailable):
        await producer.send_raw("rides", key=None, value=b"")
    sending = asyncio.create_task(producer.send_raw("rides", key=None, value=b""))
    while clients.opened < 2:
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await producer.stop()
        await asyncio.wait({sending})
    assert sending.cancelled()
    with pytest.raises(errors.Unavailable, match="not started"):
        await producer.send_raw("rides", key=None, value=b"")
