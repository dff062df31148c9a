import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tidemill_contracts import topics
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.join import JoinStage
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.testing import FakeProducer

DAY = 24 * 3600 * 1_000_000
START = 15_000 * DAY


class System:
    """The first stage with its changelog, what it told and what it refused."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.catalogue = make.catalogue()
        self.log, self.producer = make.log(), FakeProducer()
        self.refused: list[tuple[int, str]] = []
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        self.join = JoinStage(self.catalogue, self.log, self.producer, self._refuse, approval_wait_seconds=0.2)
        self.join.assign(self.log.items([0, 1]))

    async def _refuse(self, message: Any, error: Exception) -> None:
        self.refused.append((message.offset, str(error)))

    async def predictions(self, batch: Any, partition: int = 0) -> None:
        self.offset += 1
        value = batch if isinstance(batch, bytes) else batch.SerializeToString()
        await self.join.on_predictions(self.make.message(topics.PREDICTIONS, value, self.offset, partition))

    async def truth(self, truth: Any, partition: int = 0, **headers: str) -> None:
        self.offset += 1
        value = truth if isinstance(truth, bytes) else truth.SerializeToString()
        if "ce_type" not in headers and not isinstance(truth, bytes):
            headers["ce_type"] = truth.DESCRIPTOR.full_name
        await self.join.on_truth(self.make.message(topics.GROUND_TRUTH, value, self.offset, partition, **headers))

    @property
    def told(self) -> list[Any]:
        return [event.data for topic, event in self.producer.events if topic == topics.MONITOR_WINDOWS]


@pytest.fixture
def system(make: Any) -> System:
    return System(make)


async def test_panes_are_told_only_when_their_state_is_stored(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"]))
    system.log.available = False
    with pytest.raises(Unavailable):
        await system.join.flush()
    assert system.told == []


async def test_nothing_is_told_when_nothing_changed(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"]))
    await system.join.flush()
    await system.join.flush()
    assert len(system.told) == 1


async def test_truths_come_one_by_one_as_batches_and_as_json(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a", "b", "c", "d"]))
    await system.truth(make.truth("a"))
    await system.truth(make.truths(("b", 1.0, START), ("c", 0.0, START)))
    text = b'{"predictionId": "d", "label": 1, "observedAt": "2011-01-26T12:00:00Z"}'
    await system.truth(text, content_type="application/json")
    await system.join.flush()
    assert system.told[-1].total.labelled == 4


async def test_a_truth_for_training_alone_is_ignored(make: Any, system: System) -> None:
    await system.truth(make.truth("", 1.0))
    await system.join.flush()
    assert system.log.stored == {}


async def test_a_restarted_stage_goes_on_as_if_nothing_had_happened(make: Any, system: System) -> None:
    other = System(make)
    for day in range(4):
        for one in (system, other):
            await one.predictions(make.batch([f"{day}-{row}" for row in range(20)], [START + day * DAY] * 20))
            await one.truth(make.truths(*((f"{day}-{row}", 1.0, START + day * DAY) for row in range(0, 20, 3))))
            await one.join.flush()
        other.restart()
        await other.join.flush()
    for one in (*system.told, *other.told):
        one.watermark = 0
    newest = [{one.start: one.SerializeToString(deterministic=True) for one in each.told} for each in (system, other)]
    assert newest[0] == newest[1]


async def test_predictions_wait_for_the_news_of_their_approval(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"], version=8))
    flushing = asyncio.create_task(system.join.flush())
    await asyncio.sleep(0)
    system.catalogue.approve(make.approval(8))
    await flushing
    assert system.told[0].version == 8
    assert system.refused == []


async def test_predictions_of_a_version_never_approved_are_refused_and_do_not_keep_others_out(
    make: Any, system: System
) -> None:
    for name in ("a", "b"):
        await system.predictions(make.batch([name], version=8))
        await system.predictions(make.batch([name]))
        await system.join.flush()
    assert [offset for offset, _ in system.refused] == [1, 3]
    assert "not approved" in system.refused[0][1]
    assert system.told[-1].total.predictions == 2


async def test_messages_that_cannot_be_used_are_refused_each_with_its_cause(make: Any, system: System) -> None:
    broken = make.batch(["x", "y"])
    broken.event_times.pop()
    await system.predictions(b"\xff\xff")
    await system.predictions(broken)
    await system.predictions(make.batch(["a"]))
    await system.truth(b"\xff\xff")
    await system.truth(make.truth("a", 7.0))
    await system.truth(make.truth("a"))
    await system.join.flush()
    causes = [cause for _, cause in sorted(system.refused)]
    assert [offset for offset, _ in sorted(system.refused)] == [1, 2, 4, 5]
    assert "PredictionBatch" in causes[0]
    assert "event times" in causes[1]
    assert "label 7" in causes[3]
    assert (system.told[-1].total.predictions, system.told[-1].total.labelled) == (1, 1)


async def test_what_nobody_foresaw_is_refused_alone(make: Any, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Partition.process

    def fail_on_b(self: Partition) -> None:
        if any("b" in bulk.ids for bulk in self._bulks.values()):
            self._bulks.clear()
            self._usual_bulks.clear()
            raise RuntimeError("nobody foresaw this")
        process(self)

    monkeypatch.setattr(Partition, "process", fail_on_b)
    for name in "abc":
        await system.predictions(make.batch([name]))
    await system.join.flush()
    assert system.refused == [(2, "nobody foresaw this")]
    assert system.told[-1].total.predictions == 2


async def test_messages_of_partitions_not_owned_change_nothing(make: Any, system: System) -> None:
    await system.predictions(make.batch(["a"]), partition=3)
    await system.join.flush()
    assert system.producer.sent == []


async def test_the_watermark_comes_with_the_last_pane_of_a_partition(make: Any, system: System) -> None:
    for partition in (0, 1):
        names = [f"{partition}-{day}" for day in range(5)]
        await system.predictions(make.batch(names, [START + day * DAY for day in range(5)]), partition)
    await system.join.flush()
    for partition in (0, 1):
        told = [one for one in system.told if one.partition == partition]
        assert [one.start for one in told if one.watermark == START + 4 * DAY] == [START + 4 * DAY]
        assert told[-1].start == START + 4 * DAY


@dataclass
class Truths:
    """Partitions of `ground-truth` that end before offset `end`, with nothing acknowledged."""

    end: int

    async def ends(self, partitions: Sequence[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, self.end)

    def committed(self, partition: int) -> int:
        return 0


async def test_time_goes_on_when_the_truths_that_were_there_have_been_read(make: Any, system: System) -> None:
    system.join.truths = truths = Truths(end=3)

    async def told_until() -> int:
        await system.join.flush()
        return max(one.watermark for one in system.told)

    await system.predictions(make.batch(["a", "b"], [START, START + 9 * DAY]))
    assert await told_until() <= START + DAY
    truths.end = 5
    await system.truth(make.truth("a"))
    await system.predictions(make.batch(["c"], [START + 10 * DAY]))
    assert await told_until() == START + 9 * DAY
    await system.truth(make.truth("c"))
    assert await told_until() == START + 10 * DAY
