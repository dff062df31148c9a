"""Each monitor alarms when it should, and says so in words."""

from typing import Any

import numpy as np
import pytest
from simulated import DAY, START, Rows, World, reference, rows_of
from test_judgement import only, outcomes
from tidemill.v1 import monitoring_pb2 as pb
from tidemill_monitor.identity import alarm_id
from tidemill_stats.profiling import profile_columns
from tidemill_stats.reference import DesignEffects, Reference


def changed(**columns: Any) -> Any:
    """A change of the inputs; answers stay."""

    def change(rows: Rows) -> Rows:
        inputs = {name: columns[name](values) if name in columns else values for name, values in rows.inputs.items()}
        return Rows(inputs, rows.answers, rows.labels)

    return change


def answering(make: Any) -> Any:
    """A change of the answers, from the probabilities of class 1; labels stay."""

    def change(rows: Rows) -> Rows:
        probability = make(rows.answers[:, 2])
        return Rows(rows.inputs, np.column_stack([probability > 0.5, 1 - probability, probability]), rows.labels)

    return change


def single(world: World, kind: int) -> pb.DriftDetected:
    assert set(world.kinds()) == {kind}
    return world.alarms[0]


def test_missing_values_are_drift_of_an_input() -> None:
    world = World(settings=only(input_drift={}))
    world.days(range(6))
    world.days(range(6, 10), change=changed(x2=lambda x: np.where(np.arange(x.size) % 3 == 0, np.nan, x)))
    alarm = single(world, pb.DRIFT_KIND_INPUT)
    assert [one.subject for one in alarm.evidence] == ["x2"]
    assert "missing 0.0% → 34.0%" in alarm.evidence[0].explanation


def test_categories_that_training_did_not_have_are_drift_of_an_input() -> None:
    world = World(settings=only(input_drift={}))
    world.days(range(6))
    unseen = changed(c=lambda c: np.where(np.arange(c.size) % 4 == 0, "z", c).astype(object))
    world.days(range(6, 10), change=unseen)
    alarm = single(world, pb.DRIFT_KIND_INPUT)
    assert "share of values unknown in training 0.0% → 25.0%" in alarm.reason


def test_the_windows_before_are_a_reference_where_asked() -> None:
    world = World(settings=only(input_drift={"against": ["previous_window"], "persistence": 1}))
    world.days(range(6), shift=1.0)
    assert world.alarms == []
    world.days(range(6, 8))
    alarm = single(world, pb.DRIFT_KIND_INPUT)
    assert alarm.evidence[0].test.endswith("_previous")


def test_both_references_share_the_level() -> None:
    world = World(settings=only(input_drift={"against": ["training", "previous_window"]}))
    world.days(range(3))
    last = outcomes(world, "input")[-1]
    assert {one.evidence.test.endswith("_previous") for one in last.exhibits} == {True, False}


def test_columns_that_move_together_are_multivariate_drift_though_each_is_as_before() -> None:
    world = World(settings=only(input_drift={}, multivariate_drift={"min_effect": 0.05}))
    world.days(range(6))
    world.days(range(6, 14), together=0.9)
    alarm = single(world, pb.DRIFT_KIND_MULTIVARIATE)
    assert alarm.reason.startswith("inputs together differ from training: all inputs in 2 windows in a row: ")
    assert {one.test for one in alarm.evidence} <= {"kernel", "reconstruction"}


def test_rows_unlike_any_training_row_are_outliers() -> None:
    world = World(settings=only(outliers={}))
    world.days(range(6))
    world.days(range(6, 9), change=changed(x1=lambda x: np.where(np.arange(x.size) % 8 == 0, 30.0, x)))
    alarm = single(world, pb.DRIFT_KIND_OUTLIERS)
    assert alarm.action == pb.DRIFT_ACTION_TELL_DATA_ENGINEER
    assert "of 400 rows, 1.0% of the training rows" in alarm.reason


def test_other_answers_are_prediction_drift() -> None:
    world = World(settings=only(prediction_drift={}))
    world.days(range(6))
    world.days(range(6, 9), change=answering(lambda p: p**2))
    alarm = single(world, pb.DRIFT_KIND_PREDICTION)
    assert {one.subject for one in alarm.evidence} <= {"label", "probability_1"}
    assert "probability_1: mean 0.5058 → 0.3" in " ".join(one.explanation for one in alarm.evidence)


def test_answers_that_are_less_sure_promise_a_worse_performance_without_labels() -> None:
    world = World(settings=only(estimated_performance={}))
    world.days(range(6), labels_after=None)
    world.days(range(6, 12), labels_after=None, change=answering(lambda p: 0.5 + (p - 0.5) / 2))
    alarm = single(world, pb.DRIFT_KIND_ESTIMATED_PERFORMANCE)
    assert "is expected of the answers where 0.5413 was promised" in alarm.reason
    assert alarm.evidence[0].effect > 0.05


def test_inputs_that_break_the_schema_are_told_at_once() -> None:
    def broken(partial: pb.PanePartial) -> None:
        partial.schema_violations["x1: missing"] = 20

    world = World(settings=only(schema_skew={}))
    world.days(range(3))
    world.days(range(3, 4), edit=broken)
    world.days(range(4, 5))
    alarm = single(world, pb.DRIFT_KIND_SCHEMA_SKEW)
    assert alarm.reason.startswith("inputs break the schema: x1: missing in one window: in 80 of 400 rows (20.0%)")
    assert alarm.evidence[0].HasField("then")


def test_a_violation_within_what_is_put_up_with_is_none() -> None:
    def broken(partial: pb.PanePartial) -> None:
        partial.schema_violations["x1: missing"] = 2

    world = World(settings=only(schema_skew={"min_effect": 0.05}))
    world.days(range(6), edit=broken)
    assert world.alarms == []


def test_an_old_model_is_stale() -> None:
    world = World(settings=only(staleness={"model": "14d"}))
    world.days(range(6))
    alarm = single(world, pb.DRIFT_KIND_STALENESS)
    assert world.day_of(alarm) == 5
    assert "model in one window: 15d old, of 2011-01-16 00:00 UTC, where 14d is allowed" in alarm.reason


def test_old_data_are_stale_until_newer_arrive() -> None:
    world = World(settings=only(staleness={"data": "3d"}) | {"cooldown": "0s"})
    world.data = [START - DAY, START + 100 * DAY]
    world.days(range(4))
    world.data.insert(1, START + 3 * DAY)
    world.days(range(4, 6))
    assert [world.day_of(alarm) for alarm in world.alarms] == [3]


def test_old_labels_are_stale() -> None:
    world = World(settings=only(staleness={"labels": "2d"}))
    world.days(range(4))
    assert world.alarms == []
    world.days(range(4, 9), labels_after=None)
    alarm = single(world, pb.DRIFT_KIND_STALENESS)
    assert alarm.evidence[0].subject == "labels"


def test_answers_that_are_no_numbers_are_told_at_once() -> None:
    def broken(partial: pb.PanePartial) -> None:
        partial.invalid_outputs = 10

    world = World(settings=only(serving={}))
    world.days(range(3))
    world.days(range(3, 4), edit=broken)
    world.days(range(4, 5))
    alarm = single(world, pb.DRIFT_KIND_NUMERICAL_HEALTH)
    assert "10.0% of 400 answers are no finite number, 0.10% may" in alarm.reason


def test_answers_that_are_always_the_same_are_told_at_once_and_critical() -> None:
    world = World(settings=only(serving={}))
    world.days(range(3))
    world.days(range(3, 4), change=answering(lambda p: np.full(p.size, 0.25)))
    world.days(range(4, 5))
    alarm = single(world, pb.DRIFT_KIND_NUMERICAL_HEALTH)
    assert alarm.severity == pb.SEVERITY_CRITICAL
    assert "all 400 answers are 0.25" in alarm.reason


def test_slow_answers_are_told() -> None:
    world = World(settings=only(serving={"latency": 0.2}))
    world.days(range(3))
    world.days(range(3, 6), latency=0.4)
    alarm = single(world, pb.DRIFT_KIND_SERVING)
    assert "100.0% of 400 answers took longer than 0.2 s, 1.00% may" in alarm.reason


def test_failing_predictions_are_told() -> None:
    def failing(partial: pb.PanePartial) -> None:
        partial.total.predictions += 5
        partial.total.errors = 5

    world = World(settings=only(serving={}))
    world.days(range(3))
    world.days(range(3, 6), edit=failing)
    alarm = single(world, pb.DRIFT_KIND_SERVING)
    assert "4.8% of 420 predictions failed, 0.10% may" in alarm.reason


@pytest.mark.parametrize(("rows", "words"), [(1000, "a flood: 2200"), (4, "little traffic: 16")])
def test_traffic_that_is_not_as_usual_is_told(rows: int, words: str) -> None:
    world = World(settings=only(traffic={"persistence": 1}))
    world.days(range(10))
    world.days(range(10, 12), rows=rows)
    alarm = single(world, pb.DRIFT_KIND_TRAFFIC)
    assert alarm.reason == (
        f"traffic is not as it was: predictions in one window: {words} predictions in 1d where 400 are usual"
    )


def test_silence_is_told_when_time_goes_on_without_rows() -> None:
    world = World(settings=only(traffic={}))
    world.days(range(10))
    world.take(world.pane(4 * 14, rows=100))
    alarm = single(world, pb.DRIFT_KIND_TRAFFIC)
    assert "silence: 0 predictions" in alarm.reason
    assert world.day_of(alarm) == 12


def test_nights_without_traffic_are_no_silence() -> None:
    world = World(settings=only(traffic={}) | {"rows": 100})
    for number in range(60):
        world.take(world.pane(number, rows=300 if number % 4 else 2))
    assert outcomes(world, "traffic")
    assert world.alarms == []


@pytest.mark.parametrize("name", ["e_detector", "adwin", "ddm", "hddm_a", "hddm_w", "page_hinkley"])
def test_online_detectors_see_errors_become_more_frequent(name: str) -> None:
    world = World(settings=only(performance={"detector": name, "min_effect": 0.1}))
    world.days(range(10))
    assert not any(one.alarm for one in outcomes(world, "detector"))
    world.days(range(10, 22), concept=0.6)
    alarms = [one.alarm for one in outcomes(world, "detector") if one.alarm]
    assert alarms
    assert f"{name} sees a change to" in alarms[0].reason


def test_a_detector_and_the_test_by_window_do_not_both_raise_an_alarm() -> None:
    world = World(settings=only(performance={"detector": "e_detector"}) | {"cooldown": "60d"})
    world.days(range(10))
    world.days(range(10, 22), concept=0.6)
    assert len(world.alarms) == 1


def test_alarms_of_a_detector_have_ids_of_their_own() -> None:
    world = World(settings=only(performance={"detector": "e_detector"}) | {"cooldown": "0s"})
    world.days(range(10))
    world.days(range(10, 22), concept=0.6)
    assert len({alarm_id(alarm) for alarm in world.alarms}) == len(world.alarms) > 2


def monday(start: int) -> bool:
    return (start // DAY + 3) % 7 == 0


def seasonal_reference() -> Reference:
    """Training rows of which x0 is higher on Mondays."""
    plain = reference()
    parts = {day: rows_of(3000, (7, day), shift=1.5 if day == 0 else 0.0) for day in range(7)}
    whole = {name: np.concatenate([rows.inputs[name] for rows in parts.values()]) for name in parts[0].inputs}
    inputs = profile_columns(whole)
    groups = {f"season:{day}": profile_columns(rows.inputs, reference=inputs) for day, rows in parts.items()}
    return Reference(inputs=inputs, groups=groups, outputs=plain.outputs, performance=plain.performance)


def weeks(world: World, days: range, **options: Any) -> None:
    for day in days:
        world.days([day], **{"shift": 1.5 if monday(START + day * DAY) else 0.0, **options})


def test_monday_is_no_drift_where_a_season_is_declared() -> None:
    rule = only(input_drift={"persistence": 1})
    known = seasonal_reference()
    blind = World(settings=rule, known=known)
    weeks(blind, range(14))
    assert blind.alarms != []
    seasonal = World(settings=rule | {"season": "day_of_week"}, known=known)
    weeks(seasonal, range(21))
    assert seasonal.alarms == []
    weeks(seasonal, range(21, 24), shift=1.5)
    assert seasonal.kinds() == [pb.DRIFT_KIND_INPUT]


def test_autocorrelated_rows_raise_no_alarm_where_training_rows_were_so_too() -> None:
    plain = reference()

    def weather(number: int) -> float:
        return float(np.random.default_rng(number).normal(scale=0.4))

    def alarms(known: Reference) -> int:
        world = World(settings=only(input_drift={"persistence": 1, "min_effect": 0.0}), known=known)
        for day in range(25):
            world.days([day], shift=weather(day))
        return len(world.alarms)

    effects = DesignEffects(1, 50, {"x0": 60.0})
    wise = Reference(inputs=plain.inputs, outputs=plain.outputs, design_effects={1: effects})
    assert alarms(plain) > 0
    assert alarms(wise) == 0


def only_in(value: str, change: Any) -> Any:
    """A change of the rows of one slice."""

    def changing(rows: Rows) -> Rows:
        other, chosen = change(rows), rows.inputs["c"] == value
        inputs = {name: np.where(chosen, other.inputs[name], column) for name, column in rows.inputs.items()}
        answers = np.where(chosen[:, None], other.answers, rows.answers)
        return Rows(inputs, answers, np.where(chosen, other.labels, rows.labels))

    return changing


def test_drift_in_one_slice_is_told_of_that_slice() -> None:
    world = World(settings=only(input_drift={"min_effect": 0.2}) | {"slices": ["c"]}, per_pane=200)
    world.days(range(5))
    world.days(range(5, 9), change=only_in("c", changed(x3=lambda x: x + 1.5)))
    sliced = [alarm for alarm in world.alarms if alarm.slice]
    assert {alarm.slice for alarm in sliced} == {"c=c"}
    assert sliced[0].reason.startswith("inputs differ from training where c=c: x3 in 2 windows in a row")


def test_performance_that_falls_in_one_slice_is_told_of_that_slice() -> None:
    def wrong(rows: Rows) -> Rows:
        return Rows(rows.inputs, rows.answers, 1.0 - rows.labels)

    world = World(
        settings=only(performance={"min_effect": 0.6, "critical_effect": 0.9}) | {"slices": ["c"]}, per_pane=200
    )
    world.days(range(10))
    world.days(range(10, 16), change=only_in("c", wrong))
    assert {alarm.slice for alarm in world.alarms} == {"c=c"}
    assert "in the windows before" in world.alarms[0].reason
