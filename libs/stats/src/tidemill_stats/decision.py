"""When evidence of drift, window by window, becomes an alarm.

A p-value assumes independent rows; live streams are autocorrelated, and with enough rows any difference is significant.
So an alarm needs three things of the same subject: significance, an effect that matters, and persistence. A cooldown
keeps the cure from being asked for again while it takes effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from typing import Any

from tidemill_stats.errors import InvalidInput


class Severity(IntEnum):
    """How much it matters; numbered as `tidemill.v1.Severity`."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


@dataclass(frozen=True)
class Evidence:
    """One test's result on one subject (a feature or a metric); larger `effect` is worse, `p_value` 0 to 1."""

    subject: str
    test: str
    statistic: float
    p_value: float
    effect: float


@dataclass(frozen=True)
class Finding:
    """All evidence from the window [start, end) of event time, in microseconds since the epoch."""

    start: int
    end: int
    evidence: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise InvalidInput(f"window must end after it starts, not {self.start}..{self.end}")
        if len({evidence.subject for evidence in self.evidence}) < len(self.evidence):
            raise InvalidInput("a subject occurs twice in one finding")


@dataclass(frozen=True)
class DecisionRule:
    """A window shows drift in a subject when p_value <= `alpha` and effect >= `min_effect`.

    `persistence` >= 1 windows in a row that show it make an alarm, unless the last one was less than `cooldown`
    microseconds of event time before. It is critical from `critical_effect` on. Raises InvalidInput out of range.
    """

    alpha: float
    min_effect: float
    persistence: int = 3
    cooldown: int = 0
    critical_effect: float = inf

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 1 and self.persistence >= 1 and self.cooldown >= 0):
            raise InvalidInput("need 0 < alpha < 1, persistence >= 1, cooldown >= 0")
        if not 0 <= self.min_effect <= self.critical_effect:
            raise InvalidInput("need 0 <= min_effect <= critical_effect")

    def shows_drift(self, evidence: Evidence) -> bool:
        """Whether it is both significant and large enough."""
        return evidence.p_value <= self.alpha and evidence.effect >= self.min_effect


@dataclass(frozen=True)
class Streak:
    """An unbroken run of `windows` windows that show drift, the first of which started at `since`."""

    windows: int
    since: int


@dataclass(frozen=True)
class DecisionState:
    """What `step` remembers: streaks by subject, the end of the newest window, and of the last alarm's window."""

    streaks: Mapping[str, Streak] = field(default_factory=dict)
    last_window: int | None = None
    last_alarm: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        streaks = {subject: [streak.windows, streak.since] for subject, streak in self.streaks.items()}
        return {"streaks": streaks, "last_window": self.last_window, "last_alarm": self.last_alarm}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "DecisionState":
        """The state that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            streaks = {subject: Streak(int(n), int(since)) for subject, (n, since) in values["streaks"].items()}
            return DecisionState(streaks, values["last_window"], values["last_alarm"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"not a decision state: {error!r}") from error


@dataclass(frozen=True)
class Alarm:
    """Drift is confirmed: it shows from `since`, the start of its first window, to `until`, the end of its last.

    `windows`: the longest run; `evidence`: of the confirmed subjects in the last window, the largest effect first.
    """

    since: int
    until: int
    windows: int
    severity: Severity
    evidence: tuple[Evidence, ...]


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
    drifting = [evidence for evidence in finding.evidence if rule.shows_drift(evidence)]
    streaks = {evidence.subject: _lengthen(state.streaks.get(evidence.subject), finding) for evidence in drifting}
    confirmed = [evidence for evidence in drifting if streaks[evidence.subject].windows >= rule.persistence]
    cooling = state.last_alarm is not None and finding.end < state.last_alarm + rule.cooldown
    if not confirmed or cooling:
        return DecisionState(streaks, finding.end, state.last_alarm), None
    return DecisionState(streaks, finding.end, finding.end), _alarm(confirmed, streaks, finding, rule)


def restart(state: DecisionState) -> DecisionState:
    """The state for a new reference (another model version): runs start again, the cooldown goes on."""
    return DecisionState(last_window=state.last_window, last_alarm=state.last_alarm)


def _lengthen(streak: Streak | None, finding: Finding) -> Streak:
    return Streak(1, finding.start) if streak is None else Streak(streak.windows + 1, streak.since)


def _alarm(confirmed: list[Evidence], streaks: Mapping[str, Streak], finding: Finding, rule: DecisionRule) -> Alarm:
    evidence = tuple(sorted(confirmed, key=lambda one: (-one.effect, one.p_value, one.subject)))
    runs = [streaks[one.subject] for one in evidence]
    return Alarm(
        since=min(run.since for run in runs),
        until=finding.end,
        windows=max(run.windows for run in runs),
        severity=Severity.CRITICAL if evidence[0].effect >= rule.critical_effect else Severity.WARNING,
        evidence=evidence,
    )
