"""Second stage: merges the partitions' windows of a model and raises alarms."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.trace import SpanKind
from prometheus_client import Gauge
from tidemill.v1.monitoring_pb2 import DriftAction, DriftDetected, DriftKind, WindowPartial
from tidemill_contracts import topics
from tidemill_runtime import failpoints, logs, tracing
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import derived_id, new_event

from tidemill_monitor import metrics
from tidemill_monitor.domain.judgement import Judged, ModelState, judge
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.domain.windows import ModelWindows
from tidemill_monitor.messages import Message, Publisher, StateLog

KEPT_ALARMS = 50
log = logs.get_logger(__name__)


@dataclass
class Model:
    """A model this process evaluates: its windows, what was judged, its last alarms (the newest last)."""

    windows: ModelWindows
    partition: int
    state: ModelState = field(default_factory=ModelState)
    alarms: list[DriftDetected] = field(default_factory=list)
    inbox: list[WindowPartial] = field(default_factory=list)


class EvaluationStage:
    """Models of the partitions of `monitor-windows` this process has; messages are done with after the next `flush`."""

    def __init__(
        self, catalogue: Catalogue, log_: StateLog, publisher: Publisher, prediction_partitions: int = 1
    ) -> None:
        self._catalogue = catalogue
        self._log = log_
        self._publisher = publisher
        self.prediction_partitions = prediction_partitions
        self._models: dict[str, Model] = {}
        self._owned: set[int] = set()

    @property
    def models(self) -> Mapping[str, Model]:
        """The models evaluated here, by name."""
        return self._models

    def assign(self, stored: Mapping[int, Iterable[tuple[str, bytes]]]) -> None:
        """Own exactly these partitions, with what was stored of them."""
        self._models = {}
        self._owned = set(stored)
        for partition, items in stored.items():
            for key, value in items:
                self._restore(partition, key, value)
        for model in self._models.values():
            model.alarms.sort(key=lambda alarm: alarm.until.ToMicroseconds())

    async def on_partial(self, message: Message) -> None:
        """Take how a window stands in one partition. Raises InvalidInput if it is of no model known here."""
        partial = message.event(WindowPartial).data
        if message.partition not in self._owned:
            return
        model = self._model(partial.model, message.partition)
        if model is None:
            raise InvalidInput(f"no pipeline file has the model {partial.model!r}")
        model.inbox.append(partial)

    async def flush(self) -> None:
        """Judge what is due, raise the alarms, then store. Raises Unavailable when either is not sure."""
        for name, model in list(self._models.items()):
            inbox, model.inbox = model.inbox, []
            if inbox:
                await self._evaluate(name, model, inbox)

    async def _evaluate(self, name: str, model: Model, inbox: Sequence[WindowPartial]) -> None:
        newer = {_partial_key(partial): partial for partial in inbox if model.windows.put(partial)}
        state, judged = await asyncio.to_thread(judge, model.windows, model.state, self._catalogue)
        alarms = [one.alarm for one in judged if one.alarm is not None]
        for alarm in alarms:
            await self._raise(alarm)
        if alarms:
            failpoints.hit("monitor.after-drift")
        changes: dict[str, bytes | None] = {key: partial.SerializeToString() for key, partial in newer.items()}
        changes.update(self._forget(name, model))
        changes.update(_remember(model, alarms))
        await self._log.write(model.partition, list(changes.items()))
        if state != model.state:
            model.state = state
            await self._log.write(model.partition, [(f"model/{name}", json.dumps(state.to_dict()).encode())])
        _show(name, model, judged)

    def _forget(self, name: str, model: Model) -> dict[str, bytes | None]:
        return {
            f"partial/{name}/{window.version}/{window.start}/{window.length}/{partition}": None
            for window, partition in model.windows.forget()
        }

    async def _raise(self, alarm: DriftDetected) -> None:
        identity = derived_id("drift", alarm.model, alarm.version, alarm.kind, alarm.until.ToMicroseconds())
        with tracing.span("drift detected", kind=SpanKind.PRODUCER):
            await self._publisher.send(topics.DRIFT_DETECTED, new_event("monitor", alarm.model, alarm, id=identity))
        metrics.ALARMS.labels(alarm.model, _name(DriftKind.Name(alarm.kind)), _action(alarm)).inc()
        log.warning("drift detected", model=alarm.model, version=alarm.version, reason=alarm.reason)

    def _model(self, name: str, partition: int) -> Model | None:
        watch = self._catalogue.watch(name)
        if watch is None:
            return None
        if name not in self._models:
            self._models[name] = Model(ModelWindows(watch, self.prediction_partitions), partition)
        return self._models[name]

    def _restore(self, partition: int, key: str, value: bytes) -> None:
        kind, name, *_ = key.split("/")
        model = self._model(name, partition)
        if model is None:
            return
        if kind == "partial":
            model.windows.put(WindowPartial.FromString(value))
        elif kind == "model":
            model.state = ModelState.from_dict(json.loads(value))
        elif kind == "alarm":
            model.alarms.append(DriftDetected.FromString(value))


def _remember(model: Model, alarms: Sequence[DriftDetected]) -> dict[str, bytes | None]:
    model.alarms.extend(alarms)
    changes: dict[str, bytes | None] = {_alarm_key(alarm): alarm.SerializeToString() for alarm in alarms}
    old, model.alarms = model.alarms[:-KEPT_ALARMS], model.alarms[-KEPT_ALARMS:]
    return {**changes, **{_alarm_key(alarm): None for alarm in old}}


def _alarm_key(alarm: DriftDetected) -> str:
    return f"alarm/{alarm.model}/{alarm.version}/{alarm.kind}/{alarm.until.ToMicroseconds()}"


def _partial_key(partial: WindowPartial) -> str:
    return f"partial/{partial.model}/{partial.version}/{partial.start}/{partial.length}/{partial.partition}"


def _show(name: str, model: Model, judged: Sequence[Judged]) -> None:
    if model.windows.watermark is not None:
        metrics.WATERMARK.labels(name).set(model.windows.watermark / 1e6)
    for one in judged:
        metrics.WINDOWS_CLOSED.labels(name, one.kind).inc()
        gauge = metrics.DRIFT_EFFECT if one.kind == "input" else metrics.PERFORMANCE
        _drop_other_versions(gauge, name, str(one.version))
        for subject, value in one.values.items():
            gauge.labels(name, str(one.version), subject).set(value)


def _drop_other_versions(gauge: Gauge, model: str, version: str) -> None:
    for sample in next(iter(gauge.collect())).samples:
        if sample.labels["model"] == model and sample.labels["version"] != version:
            gauge.remove(*(sample.labels[name] for name in gauge._labelnames))


def _action(alarm: DriftDetected) -> str:
    return DriftAction.Name(alarm.action).removeprefix("DRIFT_ACTION_").lower()


def _name(kind: str) -> str:
    return kind.removeprefix("DRIFT_KIND_").lower()
