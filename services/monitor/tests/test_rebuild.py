import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, ARM_ROLE_PRIMARY
from tidemill_contracts import topics
from tidemill_monitor.join import JoinStage, decode_all
from tidemill_monitor.messages import Message
from tidemill_monitor.rebuilding import PaneId, Rebuild, compare, digest, newest
from tidemill_runtime.testing import FakeProducer

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY


def messages(make: Any, seed: int) -> list[Message]:
    """Twelve days of one partition as Kafka got them: late rows, a flood of old ones, clocks that are wrong, failed and
    mirrored predictions, truths early, late, twice and corrected, and poison."""
    dice = random.Random(seed)
    found: list[Message] = []
    offsets = {topics.PREDICTIONS: 0, topics.GROUND_TRUTH: 0}

    def put(topic: str, value: Any) -> None:
        data = value if isinstance(value, bytes) else value.SerializeToString()
        kind = {} if isinstance(value, bytes) else {"ce_type": value.DESCRIPTOR.full_name}
        found.append(make.message(topic, data, offsets[topic], 0, NOW + len(found), **kind))
        offsets[topic] += 1

    names: list[tuple[str, int]] = []
    for step in range(48):
        at = START + step * DAY // 4
        ids = [f"{step}-{row}" for row in range(dice.randint(1, 30))]
        far = dice.choice([0, 0, 0, -DAY, -30 * DAY, 3000 * DAY])
        times = [at + dice.randint(0, 6 * HOUR) + (far if row == 0 else 0) for row in range(len(ids))]
        error = dice.choice(["", "", "", "no answer"])
        if dice.random() < 0.2:
            put(topics.GROUND_TRUTH, make.truth(ids[-1], 1.0, times[-1]))
        put(topics.PREDICTIONS, make.batch(ids, times, error=error, seed=step, role=ARM_ROLE_PRIMARY))
        if dice.random() < 0.5:
            put(topics.PREDICTIONS, make.batch(ids, times, seed=step, version=2, role=ARM_ROLE_MIRROR))
        if dice.random() < 0.1:
            put(dice.choice(list(offsets)), b"\xff\xff")
        names += zip(ids, times, strict=True)
        if known := dice.sample(names, min(len(names), 10)):
            rows = [(name, float(dice.random() < 0.7), max(at, time) + HOUR) for name, time in known]
            put(topics.GROUND_TRUTH, make.truths(*rows))
    return found


async def served(make: Any, sent: list[Message], dice: random.Random) -> dict[PaneId, Any]:
    """What the service told at last, with flushes and restarts by chance."""
    log, producer = make.log(), FakeProducer()

    async def refuse(message: Message, error: Exception) -> None:
        return

    def start() -> JoinStage:
        stage = JoinStage(make.shared, log, producer, refuse)
        stage.assign(log.items([0]))
        return stage

    stage, done, at = start(), 0, 0
    while done < len(sent):
        at = min(len(sent), at + dice.randint(1, 9))
        for message in sent[done:at]:
            put = stage.on_predictions if message.topic == topics.PREDICTIONS else stage.on_truth
            await put(message)
        if dice.random() < 0.3:
            stage, at = start(), max(0, done - dice.randint(0, 3))
        else:
            await stage.flush()
        done = at
    await stage.flush()
    await stage.flush()
    return newest(event.data for topic, event in producer.events if topic == topics.MONITOR_WINDOWS)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 200))
async def test_what_is_rebuilt_from_the_topics_is_what_the_service_told(
    make: Any, seed: int, chance: int, size: int
) -> None:
    sent = messages(make, seed)
    told = await served(make, sent, random.Random(chance))
    rebuild = Rebuild(0, make.shared, make.shared_lenses)
    for first in range(0, len(sent), size):
        rebuild.take(decode_all(sent[first : first + size])[0])
    rebuilt = rebuild.finish()
    comparison = compare(rebuilt, told)
    assert comparison.is_same, comparison
    assert digest(rebuilt) == digest(told)
    assert sum(one.censored for one in told.values()) > 0
    assert sum(one.corrected for one in told.values()) > 0


def test_a_difference_is_found(make: Any) -> None:
    sides = []
    for label in (1.0, 0.0):
        rebuild = Rebuild(0, make.shared, make.shared_lenses)
        truth = make.truth("a", label)
        batch = make.batch(["a", "b"], [START, START + DAY])
        sent = [
            make.message(topics.PREDICTIONS, batch.SerializeToString()),
            make.message(topics.GROUND_TRUTH, truth.SerializeToString()),
        ]
        rebuild.take(decode_all(sent)[0])
        sides.append(dict(rebuild.finish()))
    different = compare(*sides)
    assert [one[4] for one in different.different] == [START]
    assert [one[4] for one in different.equal] == [START + DAY]
    only = next(iter(sides[0]))
    del sides[1][only]
    assert compare(*sides).only_rebuilt == [only]
    assert digest(sides[0]) != digest(sides[1])
