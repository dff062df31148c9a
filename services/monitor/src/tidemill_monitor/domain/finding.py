"""One monitor's evidence on one window, and what comes of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tidemill.v1 import monitoring_pb2 as pb
from tidemill_stats.decision import Alarm, DecisionRule, DecisionState, retraining_asked, step
from tidemill_stats.evidence import Action, Finding

from tidemill_monitor.domain.alarms import detected
from tidemill_monitor.domain.context import Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.table import MONITORS, Monitor
from tidemill_monitor.domain.state import ModelState
from tidemill_monitor.domain.wording import certain_reason

INPUT = "input"
SKEW = "inputs differ from training since the version answers"


@dataclass(frozen=True)
class Outcome:
    """What a monitor said of a window and slice at a level; `windows` in a row show it, since `since` (0, None: no).

    `confirmed`: as many as the rule asks for, whether an alarm was raised or the last one is too near. `muted_by`: id
    of the response because of which nobody is told of the alarm.
    """

    monitor: Monitor
    slice: str
    level: float
    exhibits: tuple[Exhibit, ...]
    windows: int
    since: int | None
    confirmed: bool
    alarm: pb.DriftDetected | None = None
    muted_by: str = ""

    @property
    def strongest(self) -> Exhibit:
        """The evidence with the least p-value, the largest effect of those."""
        return min(self.exhibits, key=lambda one: (one.evidence.p_value, *one.evidence.order))


MutedBy = Callable[[pb.DriftDetected], str]


def weigh(
    state: ModelState, monitor: Monitor, rule: DecisionRule, context: Context, level: float, mutes: MutedBy
) -> tuple[ModelState, Outcome | None]:
    """The state after a monitor's word on a window, and what came of it; None if it had nothing to say.

    `mutes`: id of the response that mutes an alarm, or empty. A muted alarm asks for no retraining, spends none and
    starts no cooldown: what still lasts when the response expires is told then.
    """
    exhibits = tuple(monitor.weigh(context))
    if not exhibits:
        return state, None
    name = f"{monitor.name}/{context.slice}" if context.slice else monitor.name
    window = context.window
    finding = Finding(window.start, window.end, level, tuple(one.evidence for one in exhibits))
    before = _with_cooldown(state, monitor, name)
    after, alarm = step(before, finding, rule)
    kind, what = monitor.kind, monitor.what
    skew = context.watch.monitors.data_skew
    if alarm and skew and monitor.name == INPUT and alarm.since < context.first_until:
        kind, what = pb.DRIFT_KIND_DATA_SKEW, SKEW
        after, alarm = step(before, finding, replace(rule, action=Action(skew.action)))
    runs = list(after.streaks.values())
    outcome = Outcome(
        monitor,
        context.slice,
        level,
        exhibits,
        windows=max((run.windows for run in runs), default=0),
        since=min((run.since for run in runs), default=None),
        confirmed=any(run.windows >= rule.persistence for run in runs),
    )
    if alarm is None:
        return state.with_decision(name, after), outcome
    if not monitor.tests:
        alarm = replace(alarm, reason=certain_reason(alarm))
    message = _message(alarm, exhibits, context, kind, what)
    muted_by = mutes(message)
    if muted_by:
        after = replace(after, last_alarm=before.last_alarm, retrainings=before.retrainings)
    elif alarm.action is Action.RETRAIN:
        state = _tell_the_others(state, name, context, alarm)
    return state.with_decision(name, after), replace(outcome, alarm=message, muted_by=muted_by)


def _message(
    alarm: Alarm, exhibits: Sequence[Exhibit], context: Context, kind: pb.DriftKind, what: str
) -> pb.DriftDetected:
    return detected(
        alarm,
        exhibits,
        model=context.watch.model,
        pipeline=context.watch.pipeline,
        version=context.version.number,
        kind=kind,
        what=what,
        slice_=context.slice,
    )


def _with_cooldown(state: ModelState, monitor: Monitor, name: str) -> DecisionState:
    """What is remembered of a monitor and slice; an alarm of its kind on all rows is one on each slice too."""
    known = [state.decision(name), *(state.decision(one.name) for one in MONITORS if one.kind == monitor.kind)]
    asked = tuple(sorted({at for one in known for at in one.retrainings}))
    last = max((one.last_alarm for one in known if one.last_alarm is not None), default=None)
    return replace(known[0], last_alarm=last, retrainings=asked)


def _tell_the_others(state: ModelState, name: str, context: Context, alarm: Alarm) -> ModelState:
    """A retraining is the model's: it counts for every monitor that may ask for one."""
    for monitor in MONITORS:
        rule = monitor.rule(context.watch.monitors)
        if rule is None or rule.action is not Action.RETRAIN:
            continue
        places = {monitor.name, *(known for known in state.decisions if known.startswith(f"{monitor.name}/"))}
        for place in sorted(places - {name}):
            state = state.with_decision(place, retraining_asked(state.decision(place), alarm.until, rule))
    return state
