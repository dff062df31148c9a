"""What was found, as metrics. Only the version that answers has series of its own, so there are few."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import Gauge
from tidemill.v1.monitoring_pb2 import DriftKind

from tidemill_monitor import metrics
from tidemill_monitor.domain.finding import Outcome
from tidemill_monitor.domain.judgement import Judged
from tidemill_monitor.domain.pane_store import PaneStore
from tidemill_monitor.domain.watched import Watch
from tidemill_monitor.notify.notice import action_name
from tidemill_monitor.records import Raised

KINDS = {"inputs": "input", "performance": "performance"}


def show(
    watch: Watch, panes: PaneStore, heard: datetime | None, judged: Sequence[Judged], raised: Sequence[Raised]
) -> None:
    """Set the metrics of a model from what was just judged; `heard`: when predictions last came."""
    name = watch.model
    if heard is not None:
        metrics.HEARD_SECONDS.labels(name).set(heard.timestamp())
    metrics.PANES.labels(name).set(len(panes))
    if panes.watermark is not None:
        metrics.WATERMARK.labels(name).set(panes.watermark / 1e6)
    for one in raised:
        _count(one)
    for result in judged:
        metrics.WINDOWS_CLOSED.labels(name, KINDS[result.stage]).inc()
        for subject, age in result.ages.items():
            if age is not None:
                metrics.AGE_SECONDS.labels(name, subject).set(age / 1e6)
        if result.promised is not None:
            _set(metrics.PROMISED_PERFORMANCE, name, str(result.version), {watch.loss: result.promised})
        for outcome in result.outcomes:
            if not outcome.slice:
                _show_outcome(name, str(result.version), outcome)


def _count(raised: Raised) -> None:
    alarm = raised.alarm
    kind = DriftKind.Name(alarm.kind).removeprefix("DRIFT_KIND_").lower()
    if raised.muted_by:
        metrics.MUTED.labels(alarm.model, kind).inc()
    else:
        metrics.ALARMS.labels(alarm.model, kind, action_name(alarm.action)).inc()


def _show_outcome(model: str, version: str, outcome: Outcome) -> None:
    state = 2 if outcome.confirmed else 1 if outcome.windows else 0
    metrics.MONITOR_STATE.labels(model, outcome.monitor.name).set(state)
    match outcome.monitor.name:
        case "input":
            _set(metrics.DRIFT_EFFECT, model, version, _effects(outcome))
        case "estimated":
            _set(metrics.ESTIMATED_PERFORMANCE, model, version, _values(outcome))
        case "performance":
            _set(metrics.PERFORMANCE, model, version, _values(outcome))
        case "outliers":
            for share in _values(outcome).values():
                metrics.OUTLIER_RATIO.labels(model).set(share)


def _effects(outcome: Outcome) -> dict[str, float]:
    effects: dict[str, float] = {}
    for one in (exhibit.evidence for exhibit in outcome.exhibits):
        effects[one.subject] = max(one.effect, effects.get(one.subject, 0.0))
    return effects


def _values(outcome: Outcome) -> dict[str, float]:
    last = [one for one in outcome.exhibits if one.evidence.scale == 1]
    return {one.evidence.subject: one.value for one in last if one.value is not None}


def _set(gauge: Gauge, model: str, version: str, values: dict[str, float]) -> None:
    _drop_other_versions(gauge, model, version)
    for subject, value in values.items():
        gauge.labels(model, version, subject).set(value)


def _drop_other_versions(gauge: Gauge, model: str, version: str) -> None:
    for sample in next(iter(gauge.collect())).samples:
        if sample.labels["model"] == model and sample.labels["version"] != version:
            gauge.remove(*(sample.labels[name] for name in gauge._labelnames))
