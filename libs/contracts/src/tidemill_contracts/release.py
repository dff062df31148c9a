"""How an approved version is let in: the `release` part of the pipeline file.

Everything has a default that is meant for everyone. Durations are event time, as everywhere in the file; freeze windows
are times of the clock.
"""

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from tidemill_contracts.durations import format_duration
from tidemill_contracts.values import Duration, Mistake, PositiveDuration, Share, Strict, time_zone

Strategy = Literal["auto", "direct", "shadow", "canary", "ab", "bandit"]
Risk = Literal["low", "medium", "high"]
MetricName = Literal["log_loss", "squared_error", "absolute_error", "error_rate", "errors", "slow", "outcome"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BY_PREDICTION = ("errors", "slow")
"""Metrics of every prediction; the others are of those whose label is known."""
RATES = (*BY_PREDICTION, "error_rate")
DELTAS = {"log_loss": 0.02, "error_rate": 0.01, "errors": 0.001, "slow": 0.01}
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"


def _parse_clock(text: object) -> time:
    if isinstance(text, time):
        return text
    if not isinstance(text, str) or not re.search(CLOCK, text):
        raise ValueError(f"{text!r} is not a time of the day; write for example 08:30")
    return time.fromisoformat(text)


Clock = Annotated[time, BeforeValidator(_parse_clock, json_schema_input_type=Annotated[str, Field(pattern=CLOCK)])]


class Stage(Strict):
    """What a release waits for before it goes on."""

    observations: int = Field(default=500, ge=1, description="Predictions of the candidate, at least.")
    min_time: Duration = Field(default=timedelta(minutes=10), description="Event time it lasts at least.")
    max_time: PositiveDuration = Field(default=timedelta(days=7), description="After this it is undecided.")

    @model_validator(mode="after")
    def times_fit(self) -> Self:
        if self.min_time > self.max_time:
            least, most = format_duration(self.min_time), format_duration(self.max_time)
            raise Mistake(f"min_time {least} is above max_time {most}; lower it, or raise max_time", "min_time")
        return self


class Shadow(Stage):
    """The candidate gets a copy of the traffic; its answers are compared and never returned."""

    fraction: float = Field(default=1.0, gt=0, le=1, description="Share of the traffic that is copied.")
    agreement: Share | None = Field(
        default=None, description="Smallest share of equal answers; surely below it the candidate is rolled back."
    )


class Step(Stage):
    """The candidate answers a share of the traffic."""

    share: float = Field(gt=0, lt=1, description="The candidate's share of the traffic.")


class Bandit(Stage):
    """Shares follow the evidence (Thompson sampling) within bounds."""

    min_share: float = Field(default=0.05, gt=0, lt=1)
    max_share: float = Field(default=0.5, gt=0, lt=1)
    every: PositiveDuration = Field(default=timedelta(minutes=10), description="Event time between two shares.")

    @model_validator(mode="after")
    def bounds_fit(self) -> Self:
        if self.min_share > self.max_share:
            cure = "lower it, or raise max_share"
            raise Mistake(f"min_share {self.min_share:g} is above max_share {self.max_share:g}; {cure}", "min_share")
        return self


class Metric(Strict):
    """What candidate and champion are compared by."""

    metric: MetricName = Field(
        description="A loss on labelled predictions; `errors` or `slow`, shares of all predictions that failed or took "
        "longer than `monitors.serving.latency`; or `outcome`, the mean of the label itself, such as a conversion."
    )
    delta: float | None = Field(
        default=None, gt=0, description="The loss that is tolerated, in the metric's unit; a rate's is below 1."
    )
    better: Literal["lower", "higher"] = Field(default="lower", description="`higher` is for `outcome` alone.")

    @model_validator(mode="after")
    def fits(self) -> Self:
        if self.better == "higher" and self.metric != "outcome":
            raise Mistake(f"a higher {self.metric} is never better; higher is for outcome", "better")
        if self.metric in RATES and self.delta is not None and self.delta >= 1:
            raise Mistake(f"{self.metric} is a share; delta must be below 1", "delta")
        if self.metric not in DELTAS and self.delta is None:
            raise Mistake(f"say how much of {self.metric} may be lost: its unit is yours", "delta")
        return self

    @property
    def margin(self) -> float:
        """The loss that is tolerated, in the metric's unit."""
        return self.delta if self.delta is not None else DELTAS[self.metric]

    @property
    def is_rate(self) -> bool:
        return self.metric in RATES

    @property
    def needs_labels(self) -> bool:
        return self.metric not in BY_PREDICTION


class Freeze(Strict):
    """When no release begins or goes on; one that is surely worse is rolled back all the same."""

    days: tuple[Day, ...] = Field(default=DAYS, min_length=1)
    start: Clock = time(0)
    end: Clock = Field(default=time(0), description="00:00: the end of the day; before `start`: on the next day.")
    timezone: str = Field(default="UTC", description="IANA name.")

    @model_validator(mode="after")
    def timezone_is_known(self) -> Self:
        time_zone(self.timezone)
        return self

    def holds(self, at: datetime) -> bool:
        """Whether `at`, a time with a zone, lies inside."""
        local = at.astimezone(ZoneInfo(self.timezone))
        today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
        clock = local.time()
        if self.start < self.end or self.end == time(0):
            return today in self.days and self.start <= clock and (self.end == time(0) or clock < self.end)
        return (today in self.days and clock >= self.start) or (yesterday in self.days and clock < self.end)


class Release(Strict):
    """How an approved version is let in."""

    strategy: Strategy = Field(default="direct", description="`auto`: by the risk of the change.")
    minimum_risk: Risk = Field(default="low", description="`auto` takes the change to be at least as risky.")
    shadow: Shadow = Shadow()
    steps: tuple[Step, ...] = Field(
        default=(
            Step(share=0.05, observations=200),
            Step(share=0.2, observations=500),
            Step(share=0.5, observations=1000),
        ),
        max_length=20,
        description="Of a canary, shares increasing; after `shadow` too, where none are left out.",
    )
    ab: Step = Step(share=0.2, observations=500)
    bandit: Bandit = Bandit()
    metrics: tuple[Metric, ...] = Field(
        default=(),
        max_length=8,
        description="What must be better, or equivalent within delta; absent: the loss of the monitors.",
    )
    guardrails: tuple[Metric, ...] = Field(
        default=(Metric(metric="errors"), Metric(metric="slow")),
        max_length=8,
        description="What must not be worse; it rolls back at once.",
    )
    alpha: float = Field(default=0.05, gt=0, lt=1, description="Probability of a wrong verdict on a release, at most.")
    label_wait: Duration | None = Field(
        default=None, description="How long after a prediction its label counts; absent: the label's delay."
    )
    undecided: Literal["roll_back", "promote", "hold"] = Field(
        default="roll_back",
        description="What becomes of a candidate that max_time left undecided; `promote`: it goes on, unless it looks "
        "worse.",
    )
    newer: Literal["queue", "replace"] = Field(
        default="queue", description="Whether a newer version waits for the end of a release, or takes its place."
    )
    freeze: tuple[Freeze, ...] = Field(default=(), max_length=16)
    sticky_header: str = Field(default="", description="Request header that keeps a caller on one version.")
    sticky_field: str = Field(
        default="", description="Feature whose value in a request's first row keeps a caller on one version."
    )

    @model_validator(mode="after")
    def parts_fit(self) -> Self:
        if self.sticky_header and self.sticky_field:
            raise Mistake("give at most one of sticky_header and sticky_field", "sticky_field")
        shares = [step.share for step in self.steps]
        if shares != sorted(set(shares)):
            raise Mistake(f"shares {shares} do not increase", "steps")
        if self.strategy in ("auto", "canary") and not self.steps:
            raise Mistake("a canary needs a step", "steps")
        names = [one.metric for one in (*self.metrics, *self.guardrails)]
        for index, guardrail in enumerate(self.guardrails, len(self.metrics)):
            if guardrail.metric in names[:index]:
                raise Mistake(f"{guardrail.metric} is given more than once", "guardrails", index - len(self.metrics))
        if len(set(names[: len(self.metrics)])) < len(self.metrics):
            raise Mistake("a metric is given more than once", "metrics")
        return self

    def frozen(self, at: datetime) -> bool:
        """Whether nothing may begin or go on at `at`, a time with a zone."""
        return any(window.holds(at) for window in self.freeze)
