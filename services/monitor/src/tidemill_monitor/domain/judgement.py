"""Judges each window of a model once, when it is complete: do its inputs and its performance still fit the version?"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tidemill.v1 import monitoring_pb2 as pb
from tidemill_contracts.pipeline import DriftRule
from tidemill_stats import (
    Alarm,
    DecisionRule,
    DecisionState,
    Evidence,
    Finding,
    InvalidInput,
    MeanEstimate,
    Severity,
    data_drift,
    degradation,
    restart,
    step,
)

from tidemill_monitor.domain.scoring import promised
from tidemill_monitor.domain.watched import Catalogue, Version, Watch
from tidemill_monitor.domain.windows import ModelWindows
from tidemill_monitor.domain.wording import input_sentence, performance_sentence, reason

Kind = Literal["input", "performance"]
KINDS: tuple[Kind, ...] = ("input", "performance")
TAKEOVER_SHARE = 2 / 3
MAX_EVIDENCE = 20
MIN_LABELLED = 30
_PROTO_KIND = {"input": pb.DRIFT_KIND_INPUT, "performance": pb.DRIFT_KIND_PERFORMANCE}
_SEVERITY = {
    Severity.INFO: pb.SEVERITY_INFO,
    Severity.WARNING: pb.SEVERITY_WARNING,
    Severity.CRITICAL: pb.SEVERITY_CRITICAL,
}
_ACTION = {
    "retrain": pb.DRIFT_ACTION_RETRAIN,
    "tell_data_scientist": pb.DRIFT_ACTION_TELL_DATA_SCIENTIST,
    "tell_data_engineer": pb.DRIFT_ACTION_TELL_DATA_ENGINEER,
}


@dataclass(frozen=True)
class Course:
    """One kind of judgement of one model: windows up to `until` are judged."""

    until: int | None = None
    decision: DecisionState = field(default_factory=DecisionState)


@dataclass(frozen=True)
class ModelState:
    """What is remembered of a model: the version that answers, the start of its first window, its judgements."""

    version: int = 0
    since: int = 0
    input: Course = field(default_factory=Course)
    performance: Course = field(default_factory=Course)

    def course(self, kind: Kind) -> Course:
        return self.input if kind == "input" else self.performance

    def with_course(self, kind: Kind, course: Course) -> "ModelState":
        return replace(self, input=course) if kind == "input" else replace(self, performance=course)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        courses: dict[str, Any] = {
            kind: {"until": self.course(kind).until, "decision": self.course(kind).decision.to_dict()} for kind in KINDS
        }
        return {"version": self.version, "since": self.since, **courses}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "ModelState":
        """The state that `to_dict` wrote. Raises InvalidInput for anything else."""
        try:
            courses = {
                kind: Course(values[kind]["until"], DecisionState.from_dict(values[kind]["decision"])) for kind in KINDS
            }
            return ModelState(values["version"], values["since"], **courses)
        except (KeyError, TypeError) as error:
            raise InvalidInput(f"not a model's state: {error!r}") from error


@dataclass(frozen=True)
class Judged:
    """A window that was judged; `values`: by feature the distance to training, or by metric the mean."""

    kind: Kind
    version: int
    end: int
    values: dict[str, float]
    alarm: pb.DriftDetected | None = None


def judge(windows: ModelWindows, state: ModelState, catalogue: Catalogue) -> tuple[ModelState, list[Judged]]:
    """Judge every window that has become due, in the order of their due times.

    Inputs are due `lateness` after a window's end, performance when most of its truths have come. The windows of the
    horizon are judged together. A version is judged from its first full horizon on, against what it was trained on and
    what it promised; a new version starts its runs anew, but a cooldown is the model's.
    """
    judged: list[Judged] = []
    for kind, window_end in _due(windows, state):
        if kind == "input":
            state = _take_over(windows, state, window_end)
        version = catalogue.version(windows.watch.model, state.version)
        if version is None and state.version:
            break
        if version is not None and window_end > state.since:
            state, one = _judge(windows, state, kind, window_end, version)
            judged.extend(one)
        state = state.with_course(kind, replace(state.course(kind), until=window_end))
    return state, judged


def _due(windows: ModelWindows, state: ModelState) -> Iterator[tuple[Kind, int]]:
    if windows.complete_until is None:
        return iter(())
    patience: dict[Kind, int] = {"input": windows.watch.lateness, "performance": windows.watch.maturity}
    ends = sorted({window.end for window in windows.windows})
    due = [
        (end + patience[kind], order, kind, end)
        for order, kind in enumerate(KINDS)
        for end in ends
        if end + patience[kind] <= windows.complete_until and end > (state.course(kind).until or end - 1)
    ]
    return ((kind, end) for _, _, kind, end in sorted(due))


def _take_over(windows: ModelWindows, state: ModelState, end: int) -> ModelState:
    """The state with the version that answers now: another one takes over with two thirds of a window's traffic."""
    answered = {window.version: windows.one(window).answered for window in windows.windows if window.end == end}
    leader = max(answered, key=lambda version: (answered[version], version))
    enough = answered[leader] >= TAKEOVER_SHARE * sum(answered.values()) > 0 or not answered.get(state.version)
    if leader == state.version or not enough or not answered[leader]:
        return state
    fresh = {kind: replace(state.course(kind), decision=restart(state.course(kind).decision)) for kind in KINDS}
    return ModelState(leader, end - windows.watch.window, fresh["input"], fresh["performance"])


def _judge(
    windows: ModelWindows, state: ModelState, kind: Kind, end: int, version: Version
) -> tuple[ModelState, list[Judged]]:
    watch = windows.watch
    rule = watch.input_drift if kind == "input" else watch.performance
    if rule is None or end - state.since < watch.horizon * watch.window:
        return state, []
    weighed = _weigh_inputs(windows, version, end) if kind == "input" else _weigh_performance(windows, version, end)
    if weighed is None:
        return state, []
    evidence, sentences, values = weighed
    finding = Finding(end - watch.window, end, tuple(evidence))
    decision, alarm = step(state.course(kind).decision, finding, _decision_rule(rule, watch))
    state = state.with_course(kind, replace(state.course(kind), decision=decision))
    if alarm is None:
        return state, [Judged(kind, version.number, end, values)]
    if rule.action == "retrain":
        state = _cool_down(state, watch, alarm.until)
    detected = _detected(watch, version, kind, rule, alarm, sentences)
    return state, [Judged(kind, version.number, end, values, detected)]


Weighed = tuple[list[Evidence], dict[str, str], dict[str, float]]


def _weigh_inputs(windows: ModelWindows, version: Version, end: int) -> Weighed | None:
    """Evidence by feature, a sentence for each, and its distance; None without inputs or without a reference."""
    inputs = windows.horizon(version.number, end).inputs
    if inputs is None or version.reference is None or not inputs.rows:
        return None
    results = data_drift(version.reference, inputs)
    evidence = [Evidence(name, one.test, one.statistic, one.p_value, one.effect) for name, one in results.items()]
    sentences = {
        one.subject: input_sentence(
            windows.watch, one, version.reference.columns[one.subject], inputs.columns[one.subject]
        )
        for one in evidence
    }
    return evidence, sentences, {one.subject: one.effect for one in evidence}


def _weigh_performance(windows: ModelWindows, version: Version, end: int) -> Weighed | None:
    """Evidence on the watched metric, its sentence, and the mean of each metric; None with too few labels."""
    rule = windows.watch.performance
    assert rule
    merged = windows.horizon(version.number, end)
    current = merged.score.metrics.get(rule.metric, MeanEstimate())
    expected = promised(rule.metric, version.test_metrics)
    if expected is None or current.count < MIN_LABELLED:
        return None
    result = degradation(current, expected, rule.min_effect)
    evidence = Evidence(rule.metric, "z_test", result.statistic, result.p_value, result.effect)
    sentence = performance_sentence(windows.watch, evidence, expected, current.mean, current.count)
    return [evidence], {rule.metric: sentence}, merged.score.means


def _decision_rule(rule: DriftRule, watch: Watch) -> DecisionRule:
    return DecisionRule(
        alpha=rule.significance, min_effect=rule.min_effect, persistence=rule.persistence, cooldown=watch.cooldown
    )


def _cool_down(state: ModelState, watch: Watch, until: int) -> ModelState:
    """After a call for a retraining no kind calls for another one until the cooldown is over."""
    rules: dict[Kind, DriftRule | None] = {"input": watch.input_drift, "performance": watch.performance}
    for kind, rule in rules.items():
        if rule is not None and rule.action == "retrain":
            course = state.course(kind)
            last = max(until, course.decision.last_alarm or until)
            state = state.with_course(kind, replace(course, decision=replace(course.decision, last_alarm=last)))
    return state


def _detected(
    watch: Watch, version: Version, kind: Kind, rule: DriftRule, alarm: Alarm, sentences: dict[str, str]
) -> pb.DriftDetected:
    what = "inputs differ from training" if kind == "input" else "performance is below its promise"
    strongest = sentences[alarm.evidence[0].subject]
    message = pb.DriftDetected(
        model=watch.model,
        version=version.number,
        kind=_PROTO_KIND[kind],
        severity=_SEVERITY[alarm.severity],
        action=_ACTION[rule.action],
        evidence=[
            pb.DriftEvidence(
                subject=one.subject,
                test=one.test,
                statistic=one.statistic,
                p_value=one.p_value,
                effect=one.effect,
                explanation=sentences[one.subject],
            )
            for one in alarm.evidence[:MAX_EVIDENCE]
        ],
        pipeline=watch.pipeline,
        reason=reason(watch, what, alarm.windows, len(alarm.evidence), strongest),
    )
    message.since.FromMicroseconds(alarm.since)
    message.until.FromMicroseconds(alarm.until)
    return message
