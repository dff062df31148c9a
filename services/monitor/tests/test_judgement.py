"""When drift becomes an alarm, and when not."""

import json
import random
from typing import Any

import pytest
from simulated import DAY, START, World, reference
from tidemill.v1 import monitoring_pb2 as pb
from tidemill_monitor.domain.finding import Outcome
from tidemill_monitor.domain.judgement import Judge
from tidemill_monitor.domain.pane_store import PaneStore
from tidemill_monitor.domain.state import ModelState
from tidemill_monitor.identity import alarm_id
from tidemill_stats.errors import InvalidInput

MONITORS = (
    *("input_drift", "multivariate_drift", "prediction_drift", "performance", "estimated_performance"),
    *("outliers", "schema_skew", "data_skew", "traffic", "serving"),
)
OFF = dict.fromkeys(MONITORS)


def only(**monitors: Any) -> dict[str, Any]:
    """The settings with no other monitors than these."""
    return {**OFF, **monitors}


def outcomes(world: World, name: str, slice_: str = "") -> list[Outcome]:
    return [
        one for judged in world.judged for one in judged.outcomes if (one.monitor.name, one.slice) == (name, slice_)
    ]


def test_stationary_traffic_raises_no_alarm() -> None:
    world = World(settings={"slices": ["c"]}, seed=5)
    world.days(range(40))
    assert world.alarms == []
    assert {one.stage for one in world.judged} == {"inputs", "performance"}
    assert {one.monitor.name for judged in world.judged for one in judged.outcomes} >= {"input", "performance"}


def test_the_levels_of_a_window_add_up_to_what_was_asked() -> None:
    world = World(settings={"slices": ["c"], "false_alarms": {"observations": 50_000, "period": "30d"}})
    world.days(range(6))
    performance = world.judged[-1]
    inputs = next(one for one in world.judged if one.stage == "inputs" and one.window == performance.window)
    assert performance.stage == "performance"
    spent = sum(one.level for one in (*inputs.outcomes, *performance.outcomes) if one.monitor.tests)
    assert spent == pytest.approx(400 / 50_000)
    assert {one.slice for one in inputs.outcomes if one.monitor.name == "input"} == {"", "c=a", "c=b", "c=c"}


def test_a_shifted_input_raises_an_alarm_with_its_evidence() -> None:
    world = World(settings=only(input_drift={}))
    world.days(range(10))
    world.days(range(10, 16), shift=1.0)
    (alarm,) = world.alarms
    assert (alarm.kind, alarm.model, alarm.pipeline, alarm.version) == (pb.DRIFT_KIND_INPUT, "tide", "tides", 1)
    assert (alarm.action, alarm.severity) == (pb.DRIFT_ACTION_TELL_DATA_SCIENTIST, pb.SEVERITY_WARNING)
    assert alarm.since.ToMicroseconds() == START + 10 * DAY
    assert world.day_of(alarm) == 12
    assert alarm.windows == 2
    assert [one.subject for one in alarm.evidence] == ["x0"]
    assert "x0: mean 0.001796 → 0.9953, " in alarm.evidence[0].explanation
    assert alarm.reason.startswith("inputs differ from training: x0 in 2 windows in a row: mean ")
    assert sum(alarm.evidence[0].then.numeric.counts) == 20_000
    assert sum(alarm.evidence[0].now.numeric.counts) in (400, 800, 1200, 1600)
    assert not alarm.evidence[0].then.HasField("numeric") or not alarm.evidence[0].then.numeric.HasField("quantiles")


def test_a_small_shift_is_seen_in_many_windows_together() -> None:
    world = World(settings=only(input_drift={"min_effect": 0.02}))
    world.days(range(10))
    world.days(range(10, 40), shift=0.1)
    assert world.alarms
    assert world.alarms[0].evidence[0].subject == "x0"
    assert "over the last " in world.alarms[0].reason


def test_a_single_odd_window_is_no_alarm() -> None:
    world = World(settings=only(input_drift={"min_effect": 0.3}))
    world.days(range(5))
    world.days([5], shift=2.0)
    world.days(range(6, 12))
    assert world.alarms == []


def test_drift_below_the_smallest_effect_is_no_alarm() -> None:
    world = World(settings=only(input_drift={"min_effect": 0.9, "critical_effect": None}))
    world.days(range(12), shift=1.0)
    assert world.alarms == []


def test_a_large_effect_is_critical() -> None:
    world = World(settings=only(input_drift={"critical_effect": 0.5}))
    world.days(range(4))
    world.days(range(4, 8), shift=4.0)
    assert [alarm.severity for alarm in world.alarms] == [pb.SEVERITY_CRITICAL]


def test_performance_below_its_promise_asks_for_a_retraining_when_labels_have_come() -> None:
    world = World(settings=only(performance={}))
    world.days(range(10))
    world.days(range(10, 18), concept=0.4)
    (alarm,) = world.alarms
    assert (alarm.kind, alarm.action) == (pb.DRIFT_KIND_PERFORMANCE, pb.DRIFT_ACTION_RETRAIN)
    assert alarm.evidence[0].subject == "log_loss"
    assert "where 0.5413 was promised, over 400 labelled predictions" in alarm.reason
    assert alarm.evidence[0].effect > 0.2


def test_performance_is_judged_only_after_the_delay_of_the_labels() -> None:
    world = World()
    world.days(range(6))
    ends = [(one.window.end - START) // DAY for one in world.judged if one.stage == "performance"]
    assert ends == [1, 2, 3, 4]


def test_labels_that_are_not_known_when_a_window_matures_do_not_count_in_a_replay() -> None:
    world = World(settings=only(performance={}))
    world.days(range(12), concept=0.4, labels_after=5 * DAY)
    found = outcomes(world, "performance")
    assert min(one.exhibits[0].evidence.scale for one in found) >= 4


def test_the_cooldown_holds_and_then_drift_that_lasts_is_told_again() -> None:
    world = World(settings=only(input_drift={}) | {"cooldown": "10d"})
    world.days(range(4))
    world.days(range(4, 28), shift=1.0)
    assert [world.day_of(alarm) for alarm in world.alarms] == [6, 16, 26]


def test_retrainings_are_asked_for_as_often_as_they_may_be_whatever_asks() -> None:
    settings = only(performance={}, input_drift={"action": "retrain"}) | {"cooldown": "5d"}
    world = World(settings=settings)
    world.days(range(4))
    world.days(range(4, 20), shift=1.0, concept=0.5)
    actions = [alarm.action for alarm in world.alarms]
    assert len(actions) > 2
    assert actions.count(pb.DRIFT_ACTION_RETRAIN) == 1
    assert "no retraining: all 1 of 28d have been asked for" in world.alarms[-1].reason


def test_a_muted_alarm_spends_no_retraining() -> None:
    world = World(settings=only(performance={}) | {"cooldown": "5d"})
    world.judge.mutes = lambda alarm: "answer" if world.day_of(alarm) < 10 else ""
    world.days(range(4))
    world.days(range(4, 20), concept=0.5)
    told = [alarm for one in world.judged for alarm, muted_by in one.alarms if not muted_by]
    assert len(world.alarms) > len(told)
    assert told[0].action == pb.DRIFT_ACTION_RETRAIN


def test_a_retraining_that_was_asked_for_cools_down_whatever_may_ask_for_one() -> None:
    settings = only(performance={}, input_drift={"action": "retrain"}) | {"cooldown": "10d"}
    world = World(settings=settings)
    world.days(range(4))
    world.days(range(4, 12), shift=1.0, concept=0.5)
    assert world.kinds() == [pb.DRIFT_KIND_INPUT]


def test_a_version_takes_over_with_two_thirds_of_the_answers_and_starts_anew() -> None:
    world = World(settings=only(input_drift={}) | {"cooldown": "0s", "rows": 1000})
    world.days(range(4))
    world.days([4], shift=1.0)
    for day in range(5, 12):
        for number in range(4 * day, 4 * day + 4):
            old = world.pane(number, version=1, rows=30, shift=1.0)
            world.take(old, world.pane(number, version=2, rows=70))
    assert world.state.version == 2
    assert world.alarms == []
    assert {one.version for one in world.judged[-4:]} == {2}


def test_half_the_answers_are_no_takeover() -> None:
    world = World(settings={"rows": 1000})
    world.days(range(2))
    for number in range(8, 16):
        world.take(world.pane(number, rows=50), world.pane(number, version=2, rows=50))
    assert world.state.version == 1


def test_the_cooldown_outlives_a_version() -> None:
    world = World(settings=only(input_drift={}, data_skew=None) | {"cooldown": "30d"})
    world.days(range(3))
    world.days(range(3, 8), shift=1.0)
    world.days(range(8, 20), shift=1.0, version=2)
    assert [alarm.version for alarm in world.alarms] == [1]


def test_drift_from_a_versions_first_windows_on_is_skew_and_told_to_the_data_engineer() -> None:
    world = World(settings=only(input_drift={}, data_skew={}))
    world.days(range(6), shift=1.0)
    (alarm,) = world.alarms
    assert (alarm.kind, alarm.action) == (pb.DRIFT_KIND_DATA_SKEW, pb.DRIFT_ACTION_TELL_DATA_ENGINEER)
    assert alarm.reason.startswith("inputs differ from training since the version answers: x0")


def test_skew_asks_for_no_retraining_and_spends_none() -> None:
    world = World(settings=only(input_drift={"action": "retrain"}, data_skew={}))
    world.days(range(6), shift=1.0)
    assert [alarm.action for alarm in world.alarms] == [pb.DRIFT_ACTION_TELL_DATA_ENGINEER]
    assert world.state.decision("input").retrainings == ()


def test_later_drift_is_no_skew() -> None:
    world = World(settings=only(input_drift={}, data_skew={}))
    world.days(range(3))
    world.days(range(3, 8), shift=1.0)
    assert world.kinds() == [pb.DRIFT_KIND_INPUT]


def test_windows_of_a_version_wait_for_the_news_of_its_approval() -> None:
    world = World()
    world.catalogue._approved.clear()
    world.days(range(4))
    assert [one for one in world.judged if one.version] == []
    known = World()
    world.catalogue._approved.update(known.catalogue._approved)
    world.days(range(4, 5))
    assert (world.judged[0].window.start, world.judged[0].version) == (START, 1)


def test_a_few_rows_say_nothing() -> None:
    world = World(settings={"rows": 30, "traffic": None}, per_pane=1)
    world.days(range(3))
    assert [one.monitor.name for judged in world.judged for one in judged.outcomes] == []
    world.days(range(3, 30))
    assert outcomes(world, "input")


def replayed(partials: list[pb.PanePartial], settings: dict[str, Any], steps: int) -> tuple[list[str], ModelState]:
    """The ids of the alarms when the partials come in this order, judged `steps` times."""
    world = World(settings=settings)
    for number in range(steps):
        world.take(*partials[number * len(partials) // steps : (number + 1) * len(partials) // steps])
    return [alarm_id(alarm) for alarm in world.alarms], world.state


def test_a_replay_and_any_order_of_the_panes_give_the_same_alarms() -> None:
    world = World(settings={"slices": ["c"]})
    world.days(range(6))
    world.days(range(6, 20), shift=0.8, concept=0.3)
    expected = [alarm_id(alarm) for alarm in world.alarms]
    assert len(expected) > 3
    assert replayed(world.told, world.settings, 7)[0] == expected
    dice = random.Random(3)
    shuffled = list(world.told)
    dice.shuffle(shuffled)
    found, state = replayed(shuffled, world.settings, 1)
    assert found == expected
    assert state.to_dict() == world.state.to_dict()


def test_partials_seen_again_change_nothing() -> None:
    world = World()
    world.days(range(4))
    world.days(range(4, 10), shift=1.0)
    before, count = world.state, len(world.alarms)
    world.take(*world.told)
    assert world.state == before
    assert len(world.alarms) == count


def test_a_model_restored_from_its_state_goes_on_alike() -> None:
    straight, stopped = World(), World()
    for day in range(14):
        options = {"shift": 1.0} if day > 5 else {}
        straight.days([day], **options)
        stopped.days([day], **options)
        values = json.loads(json.dumps(stopped.state.to_dict()))
        stopped.state = ModelState.from_dict(values)
        stopped.store = PaneStore(stopped.watch, 1)
        for partial in stopped.told:
            stopped.store.put(partial)
        stopped.judge = Judge(stopped.watch, stopped.store, stopped.catalogue)
    assert [alarm_id(one) for one in stopped.alarms] == [alarm_id(one) for one in straight.alarms]
    assert stopped.state == straight.state


@pytest.mark.parametrize("values", [{}, {"version": "x"}, {"version": 1, "since": 0, "windows": 3}])
def test_what_is_no_state_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ModelState.from_dict(values)


def test_no_alarm_comes_of_a_model_without_reference() -> None:
    world = World(known=type(reference())())
    watch = world.watch
    world.known = reference()
    world.days(range(8), shift=1.0)
    assert world.alarms == []
    assert watch.model == "tide"
