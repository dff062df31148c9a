"""The second stage: what it tells, stores, and does not repeat."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from simulated import DAY, PANE, START, World
from test_judgement import only
from tidemill.v1.monitoring_pb2 import DriftResponse, DriftSilenced, PanePartial
from tidemill_contracts import topics
from tidemill_monitor import records
from tidemill_monitor.arrivals import Arrivals
from tidemill_monitor.evaluation import EvaluationStage
from tidemill_monitor.identity import alarm_id
from tidemill_monitor.records import Records
from tidemill_monitor.responses import Responses
from tidemill_runtime.errors import InvalidInput, Unavailable
from tidemill_runtime.testing import FakeProducer

INPUTS = only(input_drift={"persistence": 1})


class System:
    """The stage with its changelog; the world makes the panes."""

    def __init__(self, make: Any, **settings: Any) -> None:
        self.make = make
        self.world = World(settings=settings or INPUTS)
        self.log, self.producer = make.log(), FakeProducer()
        self.responses = Responses()
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        catalogue = self.world.catalogue
        self.stage = EvaluationStage(catalogue, self.log, self.producer, 1, responses=self.responses)
        self.stage.assign(self.log.items([0]))

    async def take(self, *partials: PanePartial) -> None:
        for partial in partials:
            self.offset += 1
            value = partial.SerializeToString()
            await self.stage.on_partial(self.make.message(topics.MONITOR_WINDOWS, value, self.offset))
        await self.stage.flush()

    async def days(self, days: range, **options: Any) -> None:
        for day in days:
            await self.take(*(self.world.pane(number, **options) for number in range(4 * day, 4 * day + 4)))

    def events(self, topic: str) -> list[Any]:
        return [event for sent_to, event in self.producer.events if sent_to == topic]

    @property
    def model(self) -> Any:
        return self.stage.models["tide"]


@pytest.fixture
def system(make: Any) -> System:
    return System(make)


async def test_drift_is_told_once_with_an_id_of_its_own(system: System) -> None:
    await system.days(range(5))
    await system.days(range(5, 8), shift=1.0)
    (event,) = system.events(topics.DRIFT_DETECTED)
    assert (event.subject, event.data.version, event.id) == ("tide", 1, alarm_id(event.data))
    assert event.data.evidence[0].subject == "x0"
    assert list(system.model.records.alarms) == [event.id]


async def test_a_restarted_stage_goes_on_as_if_nothing_had_happened(make: Any, system: System) -> None:
    other = System(make)
    for day in range(10):
        for one in (system, other):
            await one.days(range(day, day + 1), shift=1.0 if day > 5 else 0.0)
        other.restart()
    told = [[event.id for event in one.events(topics.DRIFT_DETECTED)] for one in (system, other)]
    assert told[0] == told[1] != []
    assert system.model.state == other.model.state
    assert system.model.records == other.model.records


async def test_an_alarm_that_was_told_and_not_remembered_is_told_again_with_the_same_id(system: System) -> None:
    await system.days(range(5))
    for day in range(5, 8):
        system.log.available = False
        with pytest.raises(Unavailable):
            await system.days(range(day, day + 1), shift=1.0)
        system.log.available = True
        system.restart()
        await system.days(range(day, day + 1), shift=1.0)
    events = system.events(topics.DRIFT_DETECTED)
    assert len(events) == 2
    assert events[0].id == events[1].id
    assert len(system.model.records.alarms) == 1


async def test_a_crash_between_two_writes_changes_nothing(make: Any, system: System) -> None:
    straight = System(make)
    for day in range(9):
        shift = 1.0 if day > 5 else 0.0
        await straight.days(range(day, day + 1), shift=shift)
        before = dict(system.log.stored.get(0, {}))
        await system.days(range(day, day + 1), shift=shift)
        torn = {key: value for key, value in system.log.stored[0].items() if not key.startswith("model/")}
        system.log.stored[0] = {**torn, **{key: value for key, value in before.items() if key.startswith("model/")}}
        system.restart()
        await system.take(system.world.pane(4 * day + 3, shift=shift))
    assert system.model.state == straight.model.state
    assert system.model.records == straight.model.records


async def test_what_people_silenced_is_recorded_and_not_told(system: System) -> None:
    response = DriftResponse(id="quiet", model="tide", silenced=DriftSilenced())
    response.expires.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    system.responses.keep(response)
    await system.days(range(5))
    await system.days(range(5, 8), shift=1.0)
    assert system.events(topics.DRIFT_DETECTED) == []
    raised = list(system.model.records.alarms.values())
    assert {one.muted_by for one in raised} == {"quiet"}
    system.restart()
    assert list(system.model.records.alarms.values()) == raised
    system.responses.drop("quiet")
    await system.days(range(8, 9), shift=1.0)
    assert len(system.events(topics.DRIFT_DETECTED)) == 1


async def test_old_panes_leave_the_changelog(make: Any) -> None:
    system = System(make, **only(performance={}))
    sizes = []
    for day in range(40):
        await system.days(range(day, day + 1), rows=10)
        sizes.append(sum(key.startswith("partial/") for key in system.log.stored[0]))
    assert sizes[-1] == sizes[-5] < 160
    assert len(system.model.panes) == sizes[-1]


async def test_a_partial_of_a_forgotten_pane_is_not_stored(make: Any) -> None:
    system = System(make, **only(performance={}))
    await system.days(range(40), rows=10)
    before = set(system.log.stored[0])
    await system.take(system.world.pane(0, offset=99))
    assert set(system.log.stored[0]) == before


async def test_partials_of_partitions_not_owned_change_nothing(make: Any, system: System) -> None:
    value = system.world.pane(0).SerializeToString()
    await system.stage.on_partial(make.message(topics.MONITOR_WINDOWS, value, 1, 3))
    await system.stage.flush()
    assert system.stage.models == {}


async def test_a_pane_of_an_unknown_model_is_refused(make: Any, system: System) -> None:
    value = PanePartial(model="other", version=1).SerializeToString()
    with pytest.raises(InvalidInput, match="other"):
        await system.stage.on_partial(make.message(topics.MONITOR_WINDOWS, value))


@pytest.mark.parametrize("value", [b"\xff\xff", b"not protobuf"])
async def test_what_is_not_an_event_is_refused(make: Any, system: System, value: bytes) -> None:
    with pytest.raises(InvalidInput):
        await system.stage.on_partial(make.message(topics.MONITOR_WINDOWS, value))


def test_only_the_last_alarms_and_windows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT_ALARMS", 3)
    monkeypatch.setattr(records, "KEPT_WINDOWS", 2)
    world = World(settings=INPUTS | {"cooldown": "0s", "data_skew": None})
    world.days(range(8), shift=1.0)
    kept = Records("tide")
    stored: dict[str, Any] = {}
    for alarm in world.alarms:
        stored |= kept.add_alarms([records.Raised(alarm)])
    for end in range(5):
        stored |= kept.add_windows({end: {"rows": end}})
    alive = {key for key, value in stored.items() if value is not None}
    assert list(kept.alarms) == [alarm_id(one) for one in world.alarms[-3:]]
    assert list(kept.windows) == [3, 4]
    assert alive == {f"alarm/tide/{identity}" for identity in kept.alarms} | {"window/tide/3", "window/tide/4"}


def test_data_versions_are_known_up_to_where_they_reach() -> None:
    arrivals = Arrivals()
    for until in (START, START - DAY, START, START + PANE):
        arrivals.add("tides", until)
    assert arrivals.of("tides") == (START - DAY, START, START + PANE)
    assert arrivals.of("other") == ()
