"""The `monitors` of a pipeline file: what they are by default, and which do not fit together."""

import re
from datetime import timedelta

import pytest
from pydantic import ValidationError
from tidemill_contracts.loading import PipelineError, load_pipeline
from tidemill_contracts.monitors import Monitors

WRITTEN = "  window: 1d\n  performance: {metric: log_loss, min_effect: 0.02}\n"
MISTAKES = {
    "panes that do not divide the window": (
        "window: 1d\n  pane: 5h",
        "monitors.pane: window 1 day, 0:00:00 is not a whole number of panes of 5:00:00",
    ),
    "a pane longer than the window": ("window: 1h\n  pane: 2h", "monitors.pane: window 1:00:00 is not a whole number"),
    "a pane of nothing": ("pane: 0s", "monitors.pane: Input should be greater than"),
    "a window of nothing": ("window: 0s", "monitors.window: Input should be greater than"),
    "a season of hours with panes of six": (
        "season: hour_of_day",
        "monitors.pane: season hour_of_day needs panes that divide 1:00:00",
    ),
    "a season of days with panes of a week": (
        "window: 28d\n  season: day_of_week",
        "monitors.pane: season day_of_week needs panes that divide 1 day, 0:00:00",
    ),
    "days that begin within a pane": (
        "season: day_of_week\n  timezone: Europe/Berlin",
        "monitors.pane: panes of 6:00:00 do not begin with the seasons of Europe/Berlin; 15m always does",
    ),
    "an unknown time zone": (
        "timezone: Mars/Olympus",
        "monitors.timezone: 'Mars/Olympus' is not an IANA name such as Europe/Berlin",
    ),
    "a part of the world": ("timezone: Europe", "monitors.timezone: 'Europe' is not an IANA name"),
    "a path as time zone": ("timezone: ../passwd", "monitors.timezone: '../passwd' is not an IANA name"),
    "a slice by no feature": (
        "slices: [station, platform]",
        "monitors.slices.1: 'platform' is not one of the features",
    ),
    "a loss of another task": (
        "performance: {metric: squared_error}",
        "monitors.performance.metric: 'squared_error' is no loss of classification; take log_loss or error_rate",
    ),
    "a slice by a number": (
        "slices: [distance]",
        "monitors.slices.0: 'distance' is no category; slices are values of categories",
    ),
    "what is critical below what matters": (
        "input_drift: {min_effect: 0.6}",
        "monitors.input_drift.critical_effect: 0.5 is below min_effect 0.6; raise it, or give null",
    ),
    "a distance above 1": ("input_drift: {min_effect: 1.5}", "monitors.input_drift.min_effect: Input should be less"),
    "too few rows": ("rows: 10", "monitors.rows: Input should be greater than or equal to 30"),
    "false alarms all the time": (
        "false_alarms: {observations: 10}",
        "monitors.false_alarms.observations: Input should be greater",
    ),
    "a comparison with nothing": ("input_drift: {against: []}", "monitors.input_drift.against: "),
    "what there was once": ("horizon: 7", "monitors.horizon: unknown field; correct its name or remove it"),
    "a fixed level": ("performance: {significance: 0.01}", "monitors.performance.significance: unknown field"),
}


def test_the_defaults_ask_for_one_false_alarm_in_50_000_rows_and_a_month():
    monitors = Monitors()

    assert (monitors.false_alarms.observations, monitors.false_alarms.period) == (50_000, timedelta(days=30))
    assert (monitors.window, monitors.rows) == (timedelta(days=1), 500)
    assert (monitors.season, monitors.slices) == (None, ())


def test_every_monitor_is_on_by_default_and_inputs_together_and_performance_ask_for_a_retraining():
    rules = {name: getattr(Monitors(), name) for name in Monitors.model_fields}
    actions = {name: rule.action for name, rule in rules.items() if hasattr(rule, "action")}

    assert None not in [rules[name] for name in actions]
    assert len(actions) == 11
    assert [name for name, action in actions.items() if action == "retrain"] == ["multivariate_drift", "performance"]


def test_a_monitor_is_off_when_it_is_null(write):
    monitors = load_pipeline(write((WRITTEN, "  outliers: null\n"))).monitors

    assert monitors.outliers is None
    assert monitors.performance is not None


def test_a_pane_is_a_quarter_of_the_window_unless_it_is_given():
    assert Monitors().pane_length == timedelta(hours=6)
    assert Monitors.model_validate({"window": "1h", "pane": "5m"}).pane_length == timedelta(minutes=5)


def test_a_rule_keeps_its_defaults_beside_what_is_given(write):
    pipeline = load_pipeline(write((WRITTEN, "  performance: {min_effect: 0.2}\n")))

    rule = pipeline.monitors.performance
    assert rule is not None
    assert (rule.metric, rule.min_effect, rule.persistence, rule.action) == (None, 0.2, 2, "retrain")


@pytest.mark.parametrize(
    "written",
    [
        "season: hour_of_day\n  pane: 1h\n  timezone: America/New_York",
        "season: hour_of_day\n  pane: 15m\n  timezone: Asia/Kathmandu",
        "season: day_of_week",
        "timezone: Europe/Berlin",
        "slices: [station]",
    ],
)
def test_what_fits_is_taken(write, written: str):
    load_pipeline(write((WRITTEN, f"  {written}\n")))


@pytest.mark.parametrize(("wrong", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_what_does_not_fit_names_line_field_and_cure(write, wrong: str, told: str):
    path = write((WRITTEN, f"  {wrong}\n"))

    with pytest.raises(PipelineError) as refused:
        load_pipeline(path)

    assert re.search(rf"^{re.escape(str(path))}:\d+: {re.escape(told)}", str(refused.value), re.MULTILINE)


def test_the_line_is_that_of_the_field(write):
    path = write((WRITTEN, "  window: 1d\n  pane: 5h\n"))

    with pytest.raises(PipelineError) as refused:
        load_pipeline(path)

    line = int(str(refused.value).removeprefix(f"{path}:").split(":")[0])
    assert path.read_text().splitlines()[line - 1] == "  pane: 5h"


def test_more_than_eight_slices_are_refused():
    with pytest.raises(ValidationError, match="slices"):
        Monitors.model_validate({"slices": [f"feature_{number}" for number in range(9)]})
