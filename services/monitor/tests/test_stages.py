"""Both stages together: predictions and truths in, judged windows and alarms out."""

from typing import Any

import numpy as np
import pytest
from tidemill_contracts import topics
from tidemill_monitor.evaluation import EvaluationStage
from tidemill_monitor.join import JoinStage
from tidemill_runtime.testing import FakeProducer

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
ROWS = 100


class System:
    """Both stages with one changelog each; what the first publishes is delivered to the second by hand."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.catalogue = make.catalogue(rows=100, traffic=None, prediction_drift=None)
        self.join_log, self.evaluation_log = make.log(), make.log()
        self.producer = FakeProducer()
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        self.join = JoinStage(self.catalogue, self.join_log, self.producer, self._refuse)
        self.evaluation = EvaluationStage(self.catalogue, self.evaluation_log, self.producer, 2)
        self.join.assign(self.join_log.items([0, 1]))
        self.evaluation.assign(self.evaluation_log.items([0]))
        self.delivered = len(self.producer.sent)

    async def _refuse(self, message: Any, error: Exception) -> None:
        raise error

    async def settle(self) -> None:
        await self.join.flush()
        sent, self.delivered = self.producer.sent[self.delivered :], len(self.producer.sent)
        for one in sent:
            if one.topic == topics.MONITOR_WINDOWS and one.value:
                self.offset += 1
                await self.evaluation.on_partial(self.make.message(one.topic, one.value, self.offset))
        await self.evaluation.flush()

    async def day(self, day: int, shift: float = 0.0) -> None:
        """A day of predictions in two partitions, and its truths a day later."""
        for partition in (0, 1):
            ids = [f"{partition}-{day}-{row}" for row in range(ROWS)]
            times = (START + day * DAY + np.arange(ROWS) * DAY // ROWS).tolist()
            batch = self.make.batch(ids, times, shift=shift, seed=2 * day + partition)
            self.offset += 1
            await self.join.on_predictions(
                self.make.message(topics.PREDICTIONS, batch.SerializeToString(), self.offset, partition)
            )
            known = START + (day + 1) * DAY
            truths = self.make.truths(*((one, float(row % 4 > 0), known) for row, one in enumerate(ids)))
            self.offset += 1
            await self.join.on_truth(
                self.make.message(
                    topics.GROUND_TRUTH,
                    truths.SerializeToString(),
                    self.offset,
                    partition,
                    ce_type=truths.DESCRIPTOR.full_name,
                )
            )
        await self.settle()

    @property
    def alarms(self) -> list[Any]:
        return [event for topic, event in self.producer.events if topic == topics.DRIFT_DETECTED]


@pytest.fixture
def system(make: Any) -> System:
    return System(make)


async def test_panes_become_windows_of_all_partitions(system: System) -> None:
    for day in range(6):
        await system.day(day)
    model = system.evaluation.models["tide"]
    assert [window.rows for window in model.state.windows] == [2 * ROWS] * 5
    judged = next(record for _, record in model.records.newest_windows if "performance" in record)
    assert judged["performance"]["labelled"] == 2 * ROWS
    assert judged["performance"]["metrics"]["error_rate"]["mean"] == 0.25


async def test_a_shift_in_the_predictions_inputs_becomes_an_alarm(system: System) -> None:
    for day in range(4):
        await system.day(day)
    for day in range(4, 8):
        await system.day(day, shift=1.5)
    assert "x" in {evidence.subject for event in system.alarms for evidence in event.data.evidence}


async def test_stages_restarted_every_day_tell_the_same(make: Any, system: System) -> None:
    other = System(make)
    for day in range(8):
        for one in (system, other):
            await one.day(day, shift=1.5 if day > 3 else 0.0)
        other.restart()
        await other.settle()
    assert [event.id for event in other.alarms] == [event.id for event in system.alarms] != []
    assert other.evaluation.models["tide"].state == system.evaluation.models["tide"].state
