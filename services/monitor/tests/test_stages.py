import asyncio
from typing import Any

import pytest
from tidemill.v1.monitoring_pb2 import DriftDetected, WindowPartial
from tidemill_contracts import topics
from tidemill_monitor.evaluation import KEPT_ALARMS, EvaluationStage
from tidemill_monitor.join import JoinStage
from tidemill_runtime.errors import InvalidInput, Unavailable
from tidemill_runtime.testing import FakeProducer

DAY = 24 * 3600 * 1_000_000
START = 15_000 * DAY


class System:
    """Both stages with one changelog each; what the first publishes is delivered to the second by hand."""

    def __init__(self, make: Any, **monitors: object) -> None:
        self.make = make
        self.catalogue = make.catalogue(**monitors)
        self.join_log, self.evaluation_log = make.log(), make.log()
        self.producer = FakeProducer()
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        self.join = JoinStage(self.catalogue, self.join_log, self.producer, approval_wait_seconds=0.2)
        self.evaluation = EvaluationStage(self.catalogue, self.evaluation_log, self.producer, 2)
        self.join.assign(self.join_log.items([0, 1]))
        self.evaluation.assign(self.evaluation_log.items([0]))
        self.delivered = len(self.producer.sent)

    async def predictions(self, batch: Any, partition: int = 0) -> None:
        self.offset += 1
        value = batch.SerializeToString()
        await self.join.on_predictions(self.make.message(topics.PREDICTIONS, value, self.offset, partition))

    async def truth(self, truth: Any, partition: int = 0, **headers: str) -> None:
        self.offset += 1
        value = truth if isinstance(truth, bytes) else truth.SerializeToString()
        await self.join.on_truth(self.make.message(topics.GROUND_TRUTH, value, self.offset, partition, **headers))

    async def deliver(self) -> None:
        sent, self.delivered = self.producer.sent[self.delivered :], len(self.producer.sent)
        for one in sent:
            if one.topic == topics.MONITOR_WINDOWS and one.value:
                self.offset += 1
                await self.evaluation.on_partial(self.make.message(one.topic, one.value, self.offset))

    async def settle(self) -> None:
        await self.join.flush()
        await self.deliver()
        await self.evaluation.flush()

    def events(self, topic: str) -> list[Any]:
        return [event for sent_to, event in self.producer.events if sent_to == topic]

    async def days(self, days: range, shift: float = 0.0) -> None:
        for day in days:
            for partition in (0, 1):
                ids = [f"{partition}-{day}-{row}" for row in range(200)]
                times = [START + day * DAY + row * DAY // 200 for row in range(200)]
                batch = self.make.batch(ids, times, shift=shift, seed=1000 * partition + day)
                await self.predictions(batch, partition)
            await self.settle()


@pytest.fixture
def system(make: Any) -> System:
    return System(make)


async def test_drift_is_told_once_with_an_id_of_its_own(system: System) -> None:
    await system.days(range(6))
    await system.days(range(6, 12), shift=2.0)
    (event,) = system.events(topics.DRIFT_DETECTED)
    assert (event.subject, event.data.version) == ("tide", 1)
    assert event.data.evidence[0].subject == "x"
    assert list(system.evaluation.models["tide"].alarms) == [event.data]


async def test_a_restarted_monitor_goes_on_as_if_nothing_had_happened(make: Any, system: System) -> None:
    other = System(make)
    for day in range(12):
        for one in (system, other):
            await one.days(range(day, day + 1), shift=2.0 if day > 5 else 0.0)
        other.restart()
        await other.settle()
    alarms = [[event.data for event in one.events(topics.DRIFT_DETECTED)] for one in (system, other)]
    assert alarms[0] == alarms[1]
    assert system.evaluation.models["tide"].state == other.evaluation.models["tide"].state
    assert system.evaluation.models["tide"].alarms == other.evaluation.models["tide"].alarms


async def test_an_alarm_that_was_told_and_not_remembered_is_told_again_with_the_same_id(system: System) -> None:
    await system.days(range(6))
    for day in range(6, 12):
        system.evaluation_log.available = False
        stored = dict(system.evaluation_log.stored.get(0, {}))
        with pytest.raises(Unavailable):
            await system.days(range(day, day + 1), shift=2.0)
        system.evaluation_log.available = True
        assert system.evaluation_log.stored.get(0, {}) == stored
        system.restart()
        await system.settle()
    events = system.events(topics.DRIFT_DETECTED)
    assert len(events) == 2
    assert events[0].id == events[1].id


async def test_windows_are_told_only_when_their_state_is_stored(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"]))
    system.join_log.available = False
    with pytest.raises(Unavailable):
        await system.join.flush()
    assert system.events(topics.MONITOR_WINDOWS) == []


async def test_nothing_is_told_when_nothing_changed(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"]))
    await system.join.flush()
    await system.join.flush()
    assert len(system.events(topics.MONITOR_WINDOWS)) == 1


async def test_truths_are_taken_as_json_too(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"]))
    await system.truth(b'{"predictionId": "a", "label": 1}', content_type="application/json")
    await system.join.flush()
    (event,) = system.events(topics.MONITOR_WINDOWS)
    assert event.data.labelled == 1


async def test_a_truth_for_training_alone_is_ignored(make: Any, system: System) -> None:
    await system.truth(make.truth("", 1.0))
    await system.join.flush()
    assert system.join_log.stored == {}


async def test_predictions_wait_for_the_news_of_their_approval(make: Any, system: System) -> None:
    waiting = asyncio.create_task(system.predictions(make.batch(["a"], version=8)))
    await asyncio.sleep(0)
    assert not waiting.done()
    system.catalogue.approve(make.approval(8))
    await waiting
    await system.join.flush()
    assert system.events(topics.MONITOR_WINDOWS)[0].data.version == 8


async def test_predictions_of_a_version_never_approved_are_refused(make: Any, system: System) -> None:
    for _ in range(2):
        with pytest.raises(InvalidInput, match="never approved"):
            await system.predictions(make.batch(["a"], version=8))


@pytest.mark.parametrize("value", [b"\xff\xff", b"not protobuf"])
async def test_what_is_not_an_event_is_refused(system: System, value: bytes) -> None:
    with pytest.raises(InvalidInput):
        await system.join.on_predictions(system.make.message(topics.PREDICTIONS, value))
    with pytest.raises(InvalidInput):
        await system.join.on_truth(system.make.message(topics.GROUND_TRUTH, value))
    with pytest.raises(InvalidInput):
        await system.evaluation.on_partial(system.make.message(topics.MONITOR_WINDOWS, value))


async def test_messages_of_partitions_not_owned_change_nothing(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"]), partition=3)
    await system.join.flush()
    assert system.producer.sent == []


async def test_a_window_of_an_unknown_model_is_refused(make: Any, system: System) -> None:
    value = WindowPartial(model="other", version=1).SerializeToString()
    with pytest.raises(InvalidInput, match="other"):
        await system.evaluation.on_partial(make.message(topics.MONITOR_WINDOWS, value))


async def test_only_the_last_alarms_are_kept(make: Any) -> None:
    system = System(
        make, window="1d", cooldown="0s", horizon=1, input_drift={"min_effect": 0.1, "persistence": 1}, performance=None
    )
    await system.days(range(KEPT_ALARMS + 8), shift=2.0)
    kept = system.evaluation.models["tide"].alarms
    assert len(kept) == KEPT_ALARMS
    stored = [value for key, value in system.evaluation_log.stored[0].items() if key.startswith("alarm/")]
    assert sorted(DriftDetected.FromString(value).until.seconds for value in stored) == [
        alarm.until.seconds for alarm in kept
    ]
