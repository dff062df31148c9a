"""Each alarm goes through each of its channels once, and no channel stands in another's way."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from alarms import alarm, event
from prometheus_client import REGISTRY
from receiving import HttpReceiver, answer, listening
from tidemill.v1.monitoring_pb2 import DRIFT_ACTION_TELL_DATA_ENGINEER, Notified
from tidemill_contracts import topics
from tidemill_monitor.notify.channels import Notifiers
from tidemill_monitor.notify.delivery import Delivered, Delivery, NotDelivered
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.events import decode
from tidemill_runtime.testing import FakeProducer

ATTEMPTS = 3


@dataclass
class World:
    """Two receivers, `ops` and `chat`, that are told of retrainings; the data engineer is told in the log."""

    ops: HttpReceiver
    chat: HttpReceiver
    producer: FakeProducer

    def delivery(self, delivered: Delivered | None = None) -> Delivery:
        context = {"environ": {"SECRET": "k3Jx9-vQ2mZ7pW", "CHAT": self.chat.url()}}
        routes = Notifiers.model_validate(
            {
                "channels": {
                    "ops": {"type": "webhook", "url": self.ops.url(), "secret_env": "SECRET", "timeout": 2},
                    "chat": {"type": "slack", "url_env": "CHAT", "timeout": 2},
                },
                "routes": {"retrain": ["ops", "chat"], "tell_data_engineer": ["log"]},
            },
            context=context,
        )
        known = delivered or Delivered(self.producer)
        return Delivery(routes.notifiers(), routes, known, attempts=ATTEMPTS, backoff_seconds=0.001)

    def notified(self) -> list[str]:
        return [message.key.decode() for message in self.producer.sent if message.key]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    ops, chat = HttpReceiver(), HttpReceiver()
    async with listening(ops.serve) as ops.port, listening(chat.serve) as chat.port:
        yield World(ops, chat, FakeProducer())


def count(channel: str, outcome: str) -> float:
    labels = {"channel": channel, "outcome": outcome}
    return REGISTRY.get_sample_value("tidemill_monitor_notifications_total", labels) or 0.0


async def test_an_alarm_goes_through_every_channel_of_what_it_asks(world: World):
    before = count("ops", "delivered")

    await world.delivery().on_drift(event(alarm(), "a1"))

    assert [post.headers["tidemill-delivery"] for post in world.ops.posts] == ["a1/ops"]
    assert [post.headers["tidemill-delivery"] for post in world.chat.posts] == ["a1/chat"]
    assert sorted(world.notified()) == ["a1/chat", "a1/ops"]
    assert count("ops", "delivered") == before + 1


async def test_channels_of_other_actions_are_left_alone(world: World):
    await world.delivery().on_drift(event(alarm(action=DRIFT_ACTION_TELL_DATA_ENGINEER), "a1"))

    assert (world.ops.posts, world.chat.posts) == ([], [])
    assert world.notified() == ["a1/log"]


async def test_an_event_that_comes_again_is_not_told_again(world: World):
    delivery = world.delivery()
    for _ in range(2):
        await delivery.on_drift(event(alarm(), "a1"))
    await delivery.on_drift(event(alarm(), "a2"))

    assert [post.headers["tidemill-delivery"] for post in world.ops.posts] == ["a1/ops", "a2/ops"]


async def test_what_was_told_before_a_restart_is_known_after_it(world: World):
    await world.delivery().on_drift(event(alarm(), "a1"))
    delivered = Delivered(world.producer)
    for sent in world.producer.sent:
        assert sent.topic == topics.NOTIFICATIONS
        await delivered.on_notified(decode(sent.value, sent.headers, Notified, position="n/0/0", key=sent.key))

    await world.delivery(delivered).on_drift(event(alarm(), "a1"))

    assert (len(world.ops.posts), len(world.chat.posts)) == (1, 1)


async def test_a_channel_that_recovers_is_told_in_the_end(world: World):
    world.ops.answers = [answer(503), answer(500)]
    before = count("ops", "retried")

    await world.delivery().on_drift(event(alarm(), "a1"))

    assert {post.headers["tidemill-delivery"] for post in world.ops.posts} == {"a1/ops"}
    assert len(world.ops.posts) == ATTEMPTS
    assert count("ops", "retried") == before + 2


async def test_a_channel_that_stays_down_is_given_up_by_name_and_the_others_are_told(world: World):
    world.ops.answers = [answer(503, b"busy")] * ATTEMPTS

    with pytest.raises(NotDelivered, match=r"alarm a1 of tide was not told to ops: 127\.0\.0\.1 answered 503: busy$"):
        await world.delivery().on_drift(event(alarm(), "a1"))

    assert len(world.chat.posts) == 1
    assert world.notified() == ["a1/chat"]


async def test_a_channel_that_refuses_is_asked_once(world: World):
    world.chat.answers = [answer(404, b"no_team")]
    before = count("chat", "failed")

    with pytest.raises(NotDelivered, match=r"chat: 127\.0\.0\.1 answered 404: no_team"):
        await world.delivery().on_drift(event(alarm(), "a1"))

    assert len(world.chat.posts) == 1
    assert count("chat", "failed") == before + 1


async def test_a_replayed_dead_letter_reaches_only_the_channel_that_failed(world: World):
    delivery = world.delivery()
    world.ops.answers = [answer(400)]
    with pytest.raises(NotDelivered):
        await delivery.on_drift(event(alarm(), "a1"))

    await delivery.on_drift(event(alarm(), "a1"))

    assert (len(world.ops.posts), len(world.chat.posts)) == (2, 1)
    assert sorted(world.notified()) == ["a1/chat", "a1/ops"]


async def test_a_delivery_that_could_not_be_recorded_is_recorded_and_not_sent_again(world: World):
    delivery = world.delivery()
    world.producer.available = False
    with pytest.raises(Unavailable):
        await delivery.on_drift(event(alarm(), "a1"))
    world.producer.available = True

    await delivery.on_drift(event(alarm(), "a1"))

    assert (len(world.ops.posts), len(world.chat.posts)) == (1, 1)
    assert sorted(world.notified()) == ["a1/chat", "a1/ops"]
