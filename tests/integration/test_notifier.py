"""Alarms on a real Kafka reach their channels once; what stays undelivered is a dead letter that names the channel."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from alarms import alarm, event
from bus_reading import Message
from driver import until
from receiving import HttpReceiver, answer, listening
from tidemill.v1.monitoring_pb2 import DeadLetter
from tidemill_contracts import topics
from tidemill_local.stack import Stack
from tidemill_monitor.notify.components import notifier_components
from tidemill_monitor.settings import MonitorSettings
from tidemill_runtime.bus import Producer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
FILE = """\
channels:
  ops: {{type: webhook, url: "{ops}", secret_env: OPS_SECRET, timeout: 5}}
  chat: {{type: slack, url_env: CHAT_URL, timeout: 5}}
routes:
  retrain: [ops, chat]
"""
SECONDS = 30
Read = Callable[[str], Awaitable[list[Message]]]


@pytest.fixture
async def ops() -> AsyncIterator[HttpReceiver]:
    receiver = HttpReceiver()
    async with listening(receiver.serve) as receiver.port:
        yield receiver


@pytest.fixture
async def chat() -> AsyncIterator[HttpReceiver]:
    receiver = HttpReceiver()
    async with listening(receiver.serve) as receiver.port:
        yield receiver


@pytest.fixture
def monitor_settings(
    infrastructure: Stack, ops: HttpReceiver, chat: HttpReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MonitorSettings]:
    """A notifier's settings; the stack's own monitor stands still, as it would take a part of the alarms."""
    own = infrastructure.is_running("monitor")
    infrastructure.stop("monitor")
    for name, value in infrastructure.environment("monitor").items():
        if name.startswith("TIDEMILL_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPS_SECRET", "k3Jx9-vQ2mZ7pW")
    monkeypatch.setenv("CHAT_URL", chat.url())
    file = tmp_path / "notifiers.yaml"
    file.write_text(FILE.format(ops=ops.url()))
    yield MonitorSettings(notifiers=file)
    if own:
        infrastructure.start("monitor")


@asynccontextmanager
async def notifier(settings: MonitorSettings) -> AsyncIterator[Producer]:
    producer = Producer(settings, "test-notifier")
    components = [producer, *notifier_components(settings, producer)]
    for component in components:
        await component.start()
    try:
        yield producer
    finally:
        for component in reversed(components):
            await component.stop()


def told(receiver: HttpReceiver, alarm_id: str) -> list[str]:
    deliveries = [post.headers["tidemill-delivery"] for post in receiver.posts]
    return [delivery for delivery in deliveries if delivery.startswith(alarm_id)]


async def until_told(alarm_id: str, *receivers: HttpReceiver) -> None:
    async def are_told() -> bool:
        return all(told(receiver, alarm_id) for receiver in receivers)

    await until(are_told, SECONDS, f"alarm {alarm_id} is told")


async def test_an_alarm_is_told_once_though_its_event_comes_again_after_a_restart(
    monitor_settings: MonitorSettings, ops: HttpReceiver, chat: HttpReceiver
):
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    async with notifier(monitor_settings) as producer:
        await producer.send(topics.DRIFT_DETECTED, event(alarm(), first))
        await until_told(first, ops, chat)

    async with notifier(monitor_settings) as producer:
        await producer.send(topics.DRIFT_DETECTED, event(alarm(), first))
        await producer.send(topics.DRIFT_DETECTED, event(alarm(), second))
        await until_told(second, ops, chat)

    assert told(ops, first) == [f"{first}/ops"]
    assert told(chat, first) == [f"{first}/chat"]


async def test_an_alarm_that_a_channel_refuses_is_a_dead_letter_with_its_name(
    monitor_settings: MonitorSettings, ops: HttpReceiver, chat: HttpReceiver, read: Read
):
    alarm_id = str(uuid.uuid4())

    async def letters() -> list[DeadLetter]:
        found = [DeadLetter.FromString(one.value) for one in await read(f"{topics.DRIFT_DETECTED}.dlq")]
        return [letter for letter in found if alarm_id in letter.cause]

    async def is_given_up() -> bool:
        return bool(await letters())

    async with notifier(monitor_settings) as producer:
        ops.answers = [answer(410, b"gone")]
        await producer.send(topics.DRIFT_DETECTED, event(alarm(), alarm_id))
        await until(is_given_up, SECONDS, "the dead letter is there")

    [letter] = await letters()
    assert letter.consumer_group == "tidemill-notifier"
    assert letter.cause.endswith("ops: 127.0.0.1 answered 410: gone")
    assert told(chat, alarm_id) == [f"{alarm_id}/chat"]
