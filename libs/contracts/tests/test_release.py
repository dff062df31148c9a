"""The `release` of a pipeline file: what it is by default, what does not fit together, and when nothing may go on."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from tidemill_contracts.loading import PipelineError, load_pipeline
from tidemill_contracts.release import DAYS, DELTAS, Freeze, Metric, MetricName, Release, Step

PLACE = "triggers: {data_arrived: every}\n"
REGRESSION = (
    ("task: classification", "task: regression"),
    ("delay: 2d, classes: 2}", "delay: 2d}"),
    ("performance: {metric: log_loss, min_effect: 0.02}", "performance: {metric: squared_error}"),
)
MISTAKES = {
    "an unknown strategy": ("strategy: rolling", "strategy: Input should be 'auto', 'direct', 'shadow'"),
    "an unknown risk": ("minimum_risk: huge", "minimum_risk: Input should be 'low', 'medium' or 'high'"),
    "an unknown option": ("speed: fast", "speed: unknown field; correct its name or remove it"),
    "a copy of nothing": ("shadow: {fraction: 0}", "shadow.fraction: Input should be greater than 0"),
    "more than all agree": ("shadow: {agreement: 1.1}", "shadow.agreement: Input should be less than or equal to 1"),
    "no observations": ("ab: {share: 0.2, observations: 0}", "ab.observations: Input should be greater"),
    "no share": ("ab: {observations: 10}", "ab.share: missing; add it"),
    "all of the traffic": ("ab: {share: 1}", "ab.share: Input should be less than 1"),
    "no time at all": ("ab: {share: 0.2, max_time: 0s}", "ab.max_time: Input should be greater than"),
    "a stage that ends before it may": (
        "ab: {share: 0.2, max_time: 5m}",
        "ab.min_time: min_time 10m is above max_time 5m; lower it, or raise max_time",
    ),
    "a step that ends before it may": (
        "steps: [{share: 0.1}, {share: 0.2, min_time: 8d}]",
        "steps.1.min_time: min_time 8d is above max_time 7d; lower it, or raise max_time",
    ),
    "a shadow that ends before it may": ("shadow: {max_time: 1s}", "shadow.min_time: min_time 10m is above max_time"),
    "bounds swapped": (
        "bandit: {max_share: 0.01}",
        "bandit.min_share: min_share 0.05 is above max_share 0.01; lower it, or raise max_share",
    ),
    "new shares all the time": ("bandit: {every: 0s}", "bandit.every: Input should be greater than"),
    "shares that fall": ("steps: [{share: 0.2}, {share: 0.1}]", "steps: shares [0.2, 0.1] do not increase"),
    "shares that stay": ("steps: [{share: 0.2}, {share: 0.2}]", "steps: shares [0.2, 0.2] do not increase"),
    "a canary without a step": ("strategy: canary, steps: []", "steps: a canary needs a step"),
    "what may become a canary without a step": ("strategy: auto, steps: []", "steps: a canary needs a step"),
    "an unknown metric": ("metrics: [{metric: auc}]", "metrics.0.metric: Input should be 'log_loss',"),
    "no tolerance": ("metrics: [{metric: slow, delta: 0}]", "metrics.0.delta: Input should be greater than 0"),
    "a tolerance of everything": (
        "guardrails: [{metric: errors, delta: 1}]",
        "guardrails.0.delta: errors is a share; delta must be below 1",
    ),
    "a unit that is not known": (
        "metrics: [{metric: log_loss}, {metric: outcome}]",
        "metrics.1.delta: say how much of outcome may be lost: its unit is yours",
    ),
    "more errors are better": (
        "metrics: [{metric: log_loss, better: higher}]",
        "metrics.0.better: a higher log_loss is never better; higher is for outcome",
    ),
    "a metric twice": ("metrics: [{metric: slow}, {metric: slow}], guardrails: []", "metrics: a metric is given more"),
    "a guardrail that decides too": (
        "metrics: [{metric: slow}]",
        "guardrails.1: slow is given more than once",
    ),
    "a guardrail twice": (
        "guardrails: [{metric: slow}, {metric: errors}, {metric: slow}]",
        "guardrails.2: slow is given more than once",
    ),
    "a loss of another task": (
        "metrics: [{metric: log_loss}, {metric: squared_error, delta: 2}]",
        "metrics.1: 'squared_error' is no loss of classification; take log_loss or error_rate",
    ),
    "a guardrail of another task": (
        "guardrails: [{metric: absolute_error, delta: 2}]",
        "guardrails.0: 'absolute_error' is no loss of classification; take log_loss or error_rate",
    ),
    "an error for certain": ("alpha: 1", "alpha: Input should be less than 1"),
    "no error at all": ("alpha: 0", "alpha: Input should be greater than 0"),
    "a wait that is no duration": ("label_wait: soon", "label_wait: 'soon' is not a duration; write a number"),
    "an unknown end": ("undecided: wait", "undecided: Input should be 'roll_back', 'promote' or 'hold'"),
    "an unknown turn": ("newer: ignore", "newer: Input should be 'queue' or 'replace'"),
    "no day": ("freeze: [{days: []}]", "freeze.0.days: Tuple should have at least 1 item"),
    "an unknown day": ("freeze: [{}, {days: [monday]}]", "freeze.1.days.0: Input should be 'mon', 'tue'"),
    "no time of the day": ("freeze: [{start: 24:00}]", "freeze.0.start: '24:00' is not a time of the day; write for"),
    "a time of another zone": ("freeze: [{end: 08:30Z}]", "freeze.0.end: '08:30Z' is not a time of the day; write for"),
    "an hour alone": ("freeze: [{start: 22}]", "freeze.0.start: 22 is not a time of the day; write for example 08:30"),
    "an unknown zone": (
        "freeze: [{timezone: Mars/Olympus}]",
        "freeze.0.timezone: 'Mars/Olympus' is not an IANA name such as Europe/Berlin",
    ),
    "a part of the world": ("freeze: [{timezone: Europe}]", "freeze.0.timezone: 'Europe' is not an IANA name"),
    "a path as zone": ("freeze: [{timezone: ../passwd}]", "freeze.0.timezone: '../passwd' is not an IANA name"),
}


def freeze(**parts: object) -> Freeze:
    return Freeze.model_validate(parts)


def at(text: str, zone: str = "UTC") -> datetime:
    """A time of the week that begins on Monday, 2 March 2026: `tue 08:30`."""
    day, clock = text.split()
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 3, 2 + [*DAYS].index(day), hour, minute, tzinfo=ZoneInfo(zone))


def refusal(path) -> str:
    with pytest.raises(PipelineError) as refused:
        load_pipeline(path)
    return str(refused.value)


def test_by_default_an_approved_version_serves_at_once_and_nobody_is_kept_on_a_version():
    release = Release()

    assert (release.strategy, release.minimum_risk, release.freeze) == ("direct", "low", ())
    assert (release.sticky_header, release.sticky_field) == ("", "")


def test_by_default_a_canary_grows_in_three_steps_and_half_is_the_most_a_candidate_gets():
    release = Release()

    assert [(step.share, step.observations) for step in release.steps] == [(0.05, 200), (0.2, 500), (0.5, 1000)]
    assert (release.ab.share, release.shadow.fraction, release.shadow.agreement) == (0.2, 1.0, None)
    assert (release.bandit.min_share, release.bandit.max_share) == (0.05, 0.5)


def test_by_default_the_losses_of_the_monitors_decide_errors_and_slowness_guard_and_one_verdict_in_twenty_is_wrong():
    release = Release()

    assert (release.metrics, [one.metric for one in release.guardrails]) == ((), ["errors", "slow"])
    assert (release.alpha, release.label_wait, release.undecided, release.newer) == (0.05, None, "roll_back", "queue")


def test_by_default_a_stage_lasts_from_ten_minutes_to_a_week():
    step = Step(share=0.1)

    assert (step.observations, step.min_time, step.max_time) == (500, timedelta(minutes=10), timedelta(days=7))


def test_what_is_given_is_read(write):
    given = (
        "release: {strategy: auto, minimum_risk: medium, undecided: hold, newer: replace, label_wait: 3d,"
        " shadow: {fraction: 0.1, agreement: 0.99}, steps: [{share: 0.1, min_time: 0s, max_time: 1h}],"
        " metrics: [{metric: outcome, delta: 0.01, better: higher}], guardrails: [{metric: slow, delta: 0.05}],"
        " freeze: [{days: [fri], start: 22:00, end: 06:30:15, timezone: Europe/Berlin}]}\n"
    )
    release = load_pipeline(write((PLACE, PLACE + given))).release

    assert (release.strategy, release.minimum_risk, release.undecided, release.newer) == (
        "auto",
        "medium",
        "hold",
        "replace",
    )
    assert (release.shadow.fraction, release.shadow.agreement) == (0.1, 0.99)
    assert (release.steps[0].min_time, release.steps[0].max_time) == (timedelta(0), timedelta(hours=1))
    assert release.label_wait == timedelta(days=3)
    assert (release.metrics[0].better, release.metrics[0].margin, release.guardrails[0].margin) == (
        "higher",
        0.01,
        0.05,
    )
    assert [str(clock) for clock in (release.freeze[0].start, release.freeze[0].end)] == ["22:00:00", "06:30:15"]


@pytest.mark.parametrize(("wrong", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_what_does_not_fit_names_line_field_and_cure(write, wrong: str, told: str):
    path = write((PLACE, f"{PLACE}release: {{{wrong}}}\n"))

    line = len(path.read_text().splitlines())
    assert re.search(rf"^{re.escape(f'{path}:{line}: release.{told}')}", refusal(path), re.MULTILINE)


def test_the_line_is_that_of_the_stage_or_metric(write):
    written = (
        "release:\n  steps:\n    - {share: 0.1}\n    - {share: 0.2, min_time: 8d}\n"
        "  guardrails:\n    - {metric: slow}\n    - {metric: errors, delta: 1}\n"
    )
    path = write((PLACE, PLACE + written))

    lines = [int(line.removeprefix(f"{path}:").split(":")[0]) for line in refusal(path).splitlines()]
    marked = [path.read_text().splitlines()[line - 1].strip() for line in lines]
    assert marked == ["- {share: 0.2, min_time: 8d}", "- {metric: errors, delta: 1}"]


@pytest.mark.parametrize("strategy", ["auto", "shadow", "canary", "ab", "bandit"])
def test_a_regression_is_released_by_a_loss_in_its_own_unit(write, strategy: str):
    silent = write(*REGRESSION, (PLACE, f"{PLACE}release: {{strategy: {strategy}}}\n"), folder="silent")
    given = f"release: {{strategy: {strategy}, metrics: [{{metric: squared_error, delta: 2}}]}}\n"
    told = write(*REGRESSION, (PLACE, PLACE + given), folder="told")

    assert "release.metrics: say which loss decides, with a delta in your unit" in refusal(silent)
    assert load_pipeline(told).release.metrics[0].margin == 2


def test_a_regression_that_is_released_at_once_needs_no_loss(write):
    assert load_pipeline(write(*REGRESSION)).release.strategy == "direct"


def test_a_regression_has_no_log_loss(write):
    path = write(*REGRESSION, (PLACE, f"{PLACE}release: {{guardrails: [{{metric: log_loss}}]}}\n"))

    told = "release.guardrails.0: 'log_loss' is no loss of regression; take squared_error or absolute_error"
    assert told in refusal(path)


def test_a_shadow_may_be_promoted_without_a_canary():
    assert Release(strategy="shadow", steps=()).steps == ()


def test_too_much_is_refused():
    for part, one, most in (("steps", {"share": 0.5}, 20), ("freeze", {}, 16), ("metrics", {"metric": "slow"}, 8)):
        with pytest.raises(ValidationError, match=f"{part}\n  Tuple should have at most {most} items"):
            Release.model_validate({part: [one] * (most + 1)})


@pytest.mark.parametrize("metric", get_args(MetricName))
def test_a_margin_is_the_one_given_or_else_known_by_its_unit(metric: MetricName):
    assert Metric(metric=metric, delta=0.3).margin == 0.3
    if metric in DELTAS:
        assert Metric(metric=metric).margin == DELTAS[metric]
    else:
        with pytest.raises(ValidationError, match=f"say how much of {metric} may be lost"):
            Metric(metric=metric)


def test_what_is_a_rate_and_what_needs_labels():
    every = [Metric(metric=name, delta=0.5) for name in get_args(MetricName)]

    assert [one.metric for one in every if one.is_rate] == ["error_rate", "errors", "slow"]
    assert [one.metric for one in every if not one.needs_labels] == ["errors", "slow"]


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (freeze(), ["mon 00:00", "wed 12:00", "sun 23:59"], []),
        (freeze(days=["sat", "sun"]), ["sat 00:00", "sun 23:59"], ["fri 23:59", "mon 00:00"]),
        (freeze(start="08:30", end="17:00"), ["tue 08:30", "sun 16:59"], ["tue 08:29", "tue 17:00"]),
        (freeze(days=["fri"], start="12:00"), ["fri 12:00", "fri 23:59"], ["fri 11:59", "sat 00:00", "sat 12:00"]),
        (freeze(days=["fri"], end="06:00"), ["fri 00:00", "fri 05:59"], ["fri 06:00", "thu 05:00", "sat 05:00"]),
        (
            freeze(days=["fri"], start="22:00", end="06:00"),
            ["fri 22:00", "fri 23:59", "sat 00:00", "sat 05:59"],
            ["fri 05:59", "fri 21:59", "sat 06:00", "sat 22:00", "sun 00:00"],
        ),
        (freeze(days=["sun"], start="22:00", end="06:00"), ["sun 22:00", "mon 05:59"], ["sun 05:59", "mon 22:00"]),
        (freeze(days=["wed"], start="09:00", end="09:00"), ["wed 09:00", "thu 08:59"], ["wed 08:59", "thu 09:00"]),
    ],
)
def test_a_freeze_holds_on_its_days_from_start_to_end(window: Freeze, inside: list[str], outside: list[str]):
    assert [text for text in inside if not window.holds(at(text))] == []
    assert [text for text in outside if window.holds(at(text))] == []


def test_a_freeze_is_told_by_the_clock_of_its_zone():
    berlin = freeze(days=["mon"], timezone="Europe/Berlin")
    morning = freeze(start="08:00", end="09:00", timezone="Europe/Berlin")

    assert berlin.holds(at("mon 00:00", "Europe/Berlin"))
    assert berlin.holds(datetime(2026, 3, 1, 23, 0, tzinfo=UTC))
    assert not berlin.holds(datetime(2026, 3, 2, 23, 0, tzinfo=UTC))
    assert berlin.holds(datetime(2026, 7, 5, 22, 0, tzinfo=UTC)), "an hour earlier in summer"
    assert [morning.holds(at(text)) for text in ("tue 07:00", "tue 08:00")] == [True, False]
    assert berlin.holds(at("mon 23:59", "Europe/Berlin").astimezone(ZoneInfo("Asia/Tokyo")))


def test_a_release_is_frozen_while_any_window_holds():
    release = Release(freeze=(freeze(days=["sat", "sun"]), freeze(days=["fri"], start="15:00")))

    assert [release.frozen(at(text)) for text in ("fri 14:59", "fri 15:00", "sat 09:00")] == [False, True, True]
    assert not Release().frozen(at("fri 15:00"))


def test_a_release_is_the_same_after_it_was_written_as_json():
    release = Release(freeze=(freeze(start="22:00", end="06:00"),), label_wait=timedelta(days=3))

    assert Release.model_validate(json.loads(release.model_dump_json())) == release
