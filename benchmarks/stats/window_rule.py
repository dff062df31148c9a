"""The monitor's rule for inputs: the last 1, 4 and 16 windows against the reference, then levels and `step`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tidemill_contracts.durations import microseconds
from tidemill_contracts.monitors import DriftRule, Monitors
from tidemill_stats.arrays import AnyArray
from tidemill_stats.budget import FalseAlarmBudget
from tidemill_stats.decision import DecisionRule, DecisionState, step
from tidemill_stats.drift import column_drift
from tidemill_stats.evidence import Action, Evidence, Finding
from tidemill_stats.multiplicity import holm
from tidemill_stats.profile import DataProfile, merge_many
from tidemill_stats.profiling import profile_columns

SCALES = (1, 4, 16)
DEFAULTS = Monitors()
ROWS = DEFAULTS.rows
OBSERVATIONS = DEFAULTS.false_alarms.observations
PERIOD = microseconds(DEFAULTS.false_alarms.period)
DAY = 86_400_000_000
BUDGET = FalseAlarmBudget(OBSERVATIONS, PERIOD)

Findings = list[tuple[Evidence, ...]]
Effects = Callable[[int, str], float]


def rules(asked: DriftRule | None) -> dict[str, DecisionRule]:
    """The level by itself, and the rule of a pipeline file without a word on it; `asked`: one part of `DEFAULTS`."""
    assert asked
    default = DecisionRule(
        min_effect=asked.min_effect,
        action=Action(asked.action),
        persistence=asked.persistence,
        cooldown=microseconds(DEFAULTS.cooldown),
    )
    return {"level alone": DecisionRule(min_effect=0.0, action=Action.NONE, persistence=1), "default rule": default}


@dataclass(frozen=True)
class Tempo:
    """A stream whose windows have `rows` rows and last `length` microseconds each."""

    name: str
    rows: int
    length: int

    @property
    def level(self) -> float:
        """What one window may spend."""
        return BUDGET.level(self.rows, self.length)

    def alarms(self, findings: Findings, rule: DecisionRule) -> list[int]:
        """Numbers of the windows, from 0, that raise an alarm."""
        state, found = DecisionState(), []
        for number, evidence in enumerate(findings):
            finding = Finding(number * self.length, (number + 1) * self.length, self.level, evidence)
            state, alarm = step(state, finding, rule)
            found.extend([number] if alarm else [])
        return found


def independent(scale: int, column: str) -> float:
    """The design effect of independent rows."""
    return 1.0


def findings(
    reference: DataProfile, windows: Iterable[DataProfile], effects: Effects = independent, *, skip: int = 0
) -> Findings:
    """The evidence at the close of each window, corrected over columns (Holm) and scales (Bonferroni).

    None at the close of the first `skip` windows, which are history.
    """
    return [
        tuple(_evidence(reference, merged, effects)) if number >= skip else ()
        for number, merged in enumerate(looking_back(windows))
    ]


def findings_of_one(reference: DataProfile, live: AnyArray, *, of: int, skip: int) -> Findings:
    """`findings` in the only column of `reference`, whole windows of `live`, shape [n], as if it were one `of` many.

    The smallest p-value of many columns, which is that of the one that changes, is corrected as Holm's rule would.
    """
    (name,) = reference.columns
    windows = (
        profile_columns({name: live[start : start + ROWS]}, reference=reference)
        for start in range(0, len(live) - ROWS + 1, ROWS)
    )
    return [
        tuple(replace(one, p_value=min(1.0, one.p_value * of)) for one in evidence)
        for evidence in findings(reference, windows, skip=skip)
    ]


def looking_back(windows: Iterable[DataProfile]) -> Iterator[dict[int, DataProfile]]:
    """At each window the last 1, 4 and 16 together, or as many as there are."""
    last: deque[DataProfile] = deque(maxlen=max(SCALES))
    for window in windows:
        last.append(window)
        scales = sorted({min(scale, len(last)) for scale in SCALES})
        yield {scale: merge_many(list(last)[-scale:]) for scale in scales}


def _evidence(reference: DataProfile, merged: dict[int, DataProfile], effects: Effects) -> Iterator[Evidence]:
    for scale, window in merged.items():
        found = [_one(reference, window, name, scale, effects) for name in reference.columns]
        adjusted = holm([one.p_value for one in found]).tolist()
        yield from (replace(one, p_value=min(1.0, p * len(merged))) for one, p in zip(found, adjusted, strict=True))


def _one(reference: DataProfile, window: DataProfile, name: str, scale: int, effects: Effects) -> Evidence:
    result = column_drift(reference.columns[name], window.columns[name], design_effect=effects(scale, name))
    return Evidence(name, result.test, result.statistic, result.p_value, result.effect, scale)
