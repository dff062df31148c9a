import json
from collections.abc import Iterable
from typing import Any

import pytest
from tidemill.v1 import monitoring_pb2 as pb
from tidemill_monitor.domain.judgement import Judged, ModelState, judge
from tidemill_monitor.domain.windows import ModelWindows
from tidemill_stats import InvalidInput

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY


class Clock:
    """Feeds partials day by day and judges after each, or after all."""

    def __init__(self, make: Any, **monitors: object) -> None:
        self.make = make
        self.catalogue = make.catalogue(**monitors)
        self.windows = ModelWindows(make.watch(**monitors), 1)
        self.state = ModelState()
        self.judged: list[Judged] = []

    def put(self, day: int, **options: object) -> None:
        self.windows.put(self.make.window_partial(day, **options))

    def judge(self) -> None:
        self.state, judged = judge(self.windows, self.state, self.catalogue)
        self.judged.extend(judged)

    def days(self, days: Iterable[int], **options: object) -> None:
        for day in days:
            self.put(day, watermark_day=day + 1, **options)
            self.judge()

    @property
    def alarms(self) -> list[pb.DriftDetected]:
        return [one.alarm for one in self.judged if one.alarm is not None]

    @property
    def alarm_days(self) -> list[tuple[int, int]]:
        return [(alarm.kind, (alarm.until.ToMicroseconds() - START) // DAY) for alarm in self.alarms]


def test_no_alarm_without_drift(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(40), loss=0.5)
    assert clock.alarms == []
    assert {one.kind for one in clock.judged} == {"input", "performance"}


def test_a_shifted_input_raises_an_alarm_with_its_evidence(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(10))
    clock.days(range(10, 16), shift=2.0)
    assert clock.alarm_days == [(pb.DRIFT_KIND_INPUT, 12)]
    (alarm,) = clock.alarms
    assert (alarm.model, alarm.pipeline, alarm.version) == ("tide", "tides", 1)
    assert alarm.action == pb.DRIFT_ACTION_RETRAIN
    assert alarm.since.ToMicroseconds() == START + 10 * DAY
    assert [one.subject for one in alarm.evidence] == ["x"]
    assert alarm.evidence[0].effect > 0.1
    assert "x: mean" in alarm.evidence[0].explanation
    assert "2 windows of 1d in a row" in alarm.reason


def test_a_single_odd_window_is_no_alarm(make: Any) -> None:
    clock = Clock(make, horizon=1)
    clock.days(range(5))
    clock.days([5], shift=2.0)
    clock.days(range(6, 12))
    assert clock.alarms == []


def test_drift_below_the_smallest_effect_is_no_alarm(make: Any) -> None:
    clock = Clock(make, input_drift={"min_effect": 0.9, "persistence": 1})
    clock.days(range(12), shift=2.0)
    assert clock.alarms == []


def test_performance_below_its_promise_raises_an_alarm_when_truths_have_come(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(10), loss=0.5)
    clock.days(range(10, 20), loss=1.0)
    assert clock.alarm_days == [(pb.DRIFT_KIND_PERFORMANCE, 12)]
    (alarm,) = clock.alarms
    assert alarm.evidence[0].subject == "log_loss"
    assert "0.5000 was promised" in alarm.evidence[0].explanation
    assert alarm.evidence[0].effect == pytest.approx(1 / 3, abs=0.05)


def test_performance_is_judged_only_after_the_delay_of_the_labels(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(6), loss=0.5)
    ends = [(one.end - START) // DAY for one in clock.judged if one.kind == "performance"]
    assert ends == [3, 4]


def test_the_cooldown_holds_for_both_kinds_and_then_drift_is_told_again(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(3), loss=0.5)
    clock.days(range(3, 27), shift=2.0, loss=1.0)
    assert clock.alarm_days == [(pb.DRIFT_KIND_INPUT, 5), (pb.DRIFT_KIND_INPUT, 15), (pb.DRIFT_KIND_INPUT, 25)]


def test_news_for_people_do_not_hold_back_a_retraining(make: Any) -> None:
    rule = {"min_effect": 0.1, "persistence": 2, "action": "tell_data_engineer"}
    clock = Clock(make, input_drift=rule)
    clock.days(range(3), loss=0.5)
    clock.days(range(3, 10), shift=2.0, loss=1.0)
    assert [alarm.action for alarm in clock.alarms] == [
        pb.DRIFT_ACTION_TELL_DATA_ENGINEER,
        pb.DRIFT_ACTION_RETRAIN,
    ]


def test_a_new_version_starts_its_runs_anew_within_the_same_cooldown(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(3))
    clock.days(range(3, 6), shift=2.0)
    assert clock.alarm_days == [(pb.DRIFT_KIND_INPUT, 5)]
    clock.days(range(6, 20), version=2, shift=2.0)
    assert clock.state.version == 2
    assert clock.alarm_days == [(pb.DRIFT_KIND_INPUT, 5), (pb.DRIFT_KIND_INPUT, 15)]
    assert clock.alarms[1].version == 2
    assert clock.alarms[1].since.ToMicroseconds() == START + 8 * DAY


def test_a_version_is_judged_from_its_first_full_horizon_on(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(5))
    clock.days(range(5, 10), version=2)
    judged = [(one.version, (one.end - START) // DAY) for one in clock.judged if one.kind == "input"]
    assert judged == [(1, 3), (1, 4), (1, 5), (2, 8), (2, 9)]


def test_a_minority_of_the_traffic_does_not_take_over(make: Any) -> None:
    clock = Clock(make)
    for day in range(6):
        clock.put(day, rows=200, watermark_day=day)
        clock.put(day, rows=300, version=2, watermark_day=day + 1)
        clock.judge()
    assert clock.state.version == 2
    clock.put(6, rows=250, version=3, watermark_day=6)
    clock.put(6, rows=200, version=2, watermark_day=8)
    clock.judge()
    assert clock.state.version == 2


def test_each_window_is_judged_once_whenever_it_is_asked(make: Any) -> None:
    stepwise, at_once = Clock(make), Clock(make)
    for clock in (stepwise, at_once):
        for day in range(20):
            clock.put(day, watermark_day=day + 1, shift=2.0 if day > 8 else 0.0, loss=0.5)
            if clock is stepwise:
                clock.judge()
        clock.judge()
        clock.judge()
    assert stepwise.judged == at_once.judged
    assert stepwise.state == at_once.state
    assert stepwise.alarms


def test_windows_without_traffic_are_skipped(make: Any) -> None:
    clock = Clock(make)
    clock.days([*range(4), *range(8, 14)])
    assert clock.alarms == []
    assert len({one.end for one in clock.judged if one.kind == "input"}) == 7


def test_a_version_that_promised_nothing_is_not_judged_by_performance(make: Any) -> None:
    clock = Clock(make, performance={"metric": "absolute_error", "min_effect": 0.1})
    clock.days(range(10), loss=0.5)
    assert {one.kind for one in clock.judged} == {"input"}


def test_judgement_waits_for_the_news_of_an_approval(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(6), version=7)
    assert clock.judged == []
    clock.catalogue.approve(make.approval(7))
    clock.judge()
    assert [(one.version, (one.end - START) // DAY) for one in clock.judged if one.kind == "input"] == [
        (7, 3),
        (7, 4),
        (7, 5),
    ]


def test_the_state_survives_json(make: Any) -> None:
    clock = Clock(make)
    clock.days(range(3), loss=0.5)
    clock.days(range(3, 9), shift=2.0, loss=1.0)
    assert ModelState.from_dict(json.loads(json.dumps(clock.state.to_dict()))) == clock.state
    with pytest.raises(InvalidInput):
        ModelState.from_dict({"version": 1})
