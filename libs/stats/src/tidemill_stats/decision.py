"""When evidence of drift, window by window, becomes an alarm, how much it matters, and what is asked.

A small p-value alone asks for nothing: with enough rows any difference is significant. An alarm needs four things of
one subject: a p-value within the window's level, an effect that matters, persistence, and no alarm shortly before. A
retraining is asked for as often as its budget allows; after that a person is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf
from typing import Any

from tidemill_contracts.durations import format_duration

from tidemill_stats.errors import InvalidInput
from tidemill_stats.evidence import Action, Evidence, Finding, Severity


@dataclass(frozen=True)
class RetrainingBudget:
    """At most `at_most` >= 0 retrainings asked for in any `span` > 0 microseconds of event time."""

    at_most: int
    span: int

    def __post_init__(self) -> None:
        if self.at_most < 0 or self.span <= 0:
            raise InvalidInput("need at_most >= 0 and span > 0")


@dataclass(frozen=True)
class DecisionRule:
    """A window shows drift in a subject when p_value <= the window's level and effect >= `min_effect`.

    `persistence` >= 1 windows in a row that show it make an alarm, unless the last one was less than `cooldown`
    microseconds of event time before. It asks for `action`; if that is to retrain and `retrainings` is spent, for the
    data scientist. It is critical from `critical_effect` on. Raises InvalidInput out of range.
    """

    min_effect: float
    action: Action = Action.RETRAIN
    persistence: int = 3
    cooldown: int = 0
    critical_effect: float = inf
    retrainings: RetrainingBudget | None = None

    def __post_init__(self) -> None:
        if self.persistence < 1 or self.cooldown < 0:
            raise InvalidInput("need persistence >= 1, cooldown >= 0")
        if not 0 <= self.min_effect <= self.critical_effect:
            raise InvalidInput("need 0 <= min_effect <= critical_effect")

    def shows_drift(self, evidence: Evidence, level: float) -> bool:
        """Whether it is both significant at `level` and large enough."""
        return evidence.p_value <= level and evidence.effect >= self.min_effect


@dataclass(frozen=True)
class Streak:
    """An unbroken run of `windows` windows that show drift, the first of which started at `since`."""

    windows: int
    since: int


@dataclass(frozen=True)
class DecisionState:
    """What `step` remembers, times in microseconds of event time.

    `streaks` by subject; `last_window`: end of the newest window; `last_alarm`: end of the last alarm's window;
    `retrainings`: the newest times a retraining was asked for, at most as many as the budget allows.
    """

    streaks: Mapping[str, Streak] = field(default_factory=dict)
    last_window: int | None = None
    last_alarm: int | None = None
    retrainings: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return {
            "streaks": {subject: [streak.windows, streak.since] for subject, streak in self.streaks.items()},
            "last_window": self.last_window,
            "last_alarm": self.last_alarm,
            "retrainings": list(self.retrainings),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "DecisionState":
        """The state that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            streaks = {subject: Streak(int(n), int(since)) for subject, (n, since) in values["streaks"].items()}
            retrainings = tuple(int(at) for at in values["retrainings"])
            return DecisionState(streaks, _time(values["last_window"]), _time(values["last_alarm"]), retrainings)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"not a decision state: {error!r}") from error


@dataclass(frozen=True)
class Alarm:
    """Drift is confirmed: it shows from `since`, the start of its first window, to `until`, the end of its last.

    `windows`: the longest run, at least the rule's persistence; `evidence`: of each confirmed subject in the last
    window the strongest, the largest effect first; `reason`: one sentence in words and numbers.
    """

    since: int
    until: int
    windows: int
    severity: Severity
    action: Action
    evidence: tuple[Evidence, ...]
    reason: str


def step(state: DecisionState, finding: Finding, rule: DecisionRule) -> tuple[DecisionState, Alarm | None]:
    """The state after one more window, and the alarm if that window makes one.

    Windows come in order of event time; one that starts before the newest ended was already counted and changes
    nothing, so a replay is harmless. Do not step windows with too little data to say anything: they neither break nor
    lengthen a run. A streak outlives its alarm, so drift that persists is told again after the cooldown.
    Source: persistence is the run rule of statistical process control (Western Electric 1956; Page 1955,
    "Control charts with warning lines", Biometrika 42).
    """
    if state.last_window is not None and finding.start < state.last_window:
        return state, None
    drifting = _strongest(one for one in finding.evidence if rule.shows_drift(one, finding.level))
    streaks = {subject: _lengthen(state.streaks.get(subject), finding) for subject in drifting}
    after = replace(state, streaks=streaks, last_window=finding.end)
    confirmed = [one for subject, one in drifting.items() if streaks[subject].windows >= rule.persistence]
    if not confirmed or (state.last_alarm is not None and finding.end < state.last_alarm + rule.cooldown):
        return after, None
    alarm = _alarm(confirmed, after, finding, rule)
    if alarm.action is Action.RETRAIN:
        return retraining_asked(after, finding.end, rule), alarm
    return replace(after, last_alarm=finding.end), alarm


def retraining_asked(state: DecisionState, at: int, rule: DecisionRule) -> DecisionState:
    """The state that knows of a retraining asked for `at` that time, wherever that was decided.

    It starts the cooldown and counts against the budget. The kinds of one model that share a budget tell each other;
    the same time told twice counts once.
    """
    last_alarm = at if state.last_alarm is None else max(at, state.last_alarm)
    asked = sorted({*state.retrainings, at})
    kept = rule.retrainings.at_most if rule.retrainings else 0
    return replace(state, last_alarm=last_alarm, retrainings=tuple(asked[max(0, len(asked) - kept) :]))


def restart(state: DecisionState) -> DecisionState:
    """The state for a new reference (another version): runs start again, the cooldown and the budget go on."""
    return replace(state, streaks={})


def _time(value: Any) -> int | None:
    return None if value is None else int(value)


def _strongest(evidence: Iterable[Evidence]) -> dict[str, Evidence]:
    by_subject: dict[str, Evidence] = {}
    for one in sorted(evidence, key=lambda one: one.order):
        by_subject.setdefault(one.subject, one)
    return by_subject


def _lengthen(streak: Streak | None, finding: Finding) -> Streak:
    return Streak(1, finding.start) if streak is None else Streak(streak.windows + 1, streak.since)


def _alarm(confirmed: list[Evidence], state: DecisionState, finding: Finding, rule: DecisionRule) -> Alarm:
    runs = [state.streaks[one.subject] for one in confirmed]
    spent = rule.action is Action.RETRAIN and _spent(state, finding.end, rule.retrainings)
    return Alarm(
        since=min(run.since for run in runs),
        until=finding.end,
        windows=max(run.windows for run in runs),
        severity=_severity(confirmed[0].effect, rule),
        action=Action.TELL_DATA_SCIENTIST if spent else rule.action,
        evidence=tuple(confirmed),
        reason=_sentence(confirmed, runs[0], finding.level, rule) + (_refusal(rule.retrainings) if spent else ""),
    )


def _spent(state: DecisionState, end: int, budget: RetrainingBudget | None) -> bool:
    return budget is not None and sum(at > end - budget.span for at in state.retrainings) >= budget.at_most


def _severity(effect: float, rule: DecisionRule) -> Severity:
    if effect >= rule.critical_effect:
        return Severity.CRITICAL
    return Severity.INFO if rule.action is Action.NONE else Severity.WARNING


def _sentence(confirmed: list[Evidence], run: Streak, level: float, rule: DecisionRule) -> str:
    first, others = confirmed[0], len(confirmed) - 1
    row = f"{run.windows} windows in a row" if run.windows > 1 else "one window"
    scale = f" over the last {first.scale} windows" if first.scale > 1 else ""
    return (
        f"{first.subject} in {row}: {first.explanation or first.test}{scale}, "
        f"p = {first.p_value:.2g} where {level:.2g} is allowed, effect {first.effect:.3g} "
        f"where {rule.min_effect:.3g} matters" + (f"; and {others} more" if others else "")
    )


def _refusal(budget: RetrainingBudget | None) -> str:
    assert budget
    span = format_duration(timedelta(microseconds=budget.span))
    return f"; no retraining: all {budget.at_most} of {span} have been asked for"
