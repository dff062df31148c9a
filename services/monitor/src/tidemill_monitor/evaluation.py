"""Second stage: merges the partitions' panes of a model, judges its windows and raises alarms."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from google.protobuf.message import DecodeError
from opentelemetry.trace import SpanKind
from tidemill.v1.monitoring_pb2 import DriftDetected, DriftResponse, PanePartial
from tidemill_contracts import topics
from tidemill_runtime import failpoints, logs, tracing
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import new_event
from tidemill_stats.errors import StatsError

from tidemill_monitor import metrics, showing
from tidemill_monitor.arrivals import Arrivals
from tidemill_monitor.domain.judgement import Judge, Judged
from tidemill_monitor.domain.pane_store import Arm, PaneStore, PartialKey
from tidemill_monitor.domain.rollout import completed, rollout_evidence
from tidemill_monitor.domain.state import ModelState
from tidemill_monitor.domain.watched import Catalogue, Watch
from tidemill_monitor.identity import rollout_id
from tidemill_monitor.messages import Message, Publisher, StateLog
from tidemill_monitor.records import Changes, Raised, Records
from tidemill_monitor.summaries import window_records

log = logs.get_logger(__name__)


class Mutes(Protocol):
    """What people answered to alarms."""

    def mutes(self, alarm: DriftDetected, at: datetime) -> DriftResponse | None: ...


@dataclass
class Model:
    """A model this process evaluates: its panes, what was judged, what people may see of it."""

    watch: Watch
    partition: int
    panes: PaneStore
    judge: Judge
    records: Records
    state: ModelState = field(default_factory=ModelState)
    inbox: list[PanePartial] = field(default_factory=list)
    heard: datetime | None = None
    evidence_until: int = 0


class EvaluationStage:
    """Models of the partitions of `monitor-windows` this process has; messages are done with after the next `flush`."""

    def __init__(
        self,
        catalogue: Catalogue,
        log_: StateLog,
        publisher: Publisher,
        prediction_partitions: int = 1,
        *,
        responses: Mutes | None = None,
        arrivals: Arrivals | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._log = log_
        self._publisher = publisher
        self._responses = responses
        self._arrivals = arrivals or Arrivals()
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
                try:
                    self._restore(partition, key, value)
                except (StatsError, ValueError, DecodeError, LookupError) as error:
                    log.warning("stored state is not used", partition=partition, key=key, error=str(error))

    async def on_partial(self, message: Message) -> None:
        """Take how a pane stands in one partition. Raises InvalidInput if it is of no model known here."""
        partial = message.event(PanePartial).data
        if message.partition not in self._owned:
            return
        model = self._model(partial.model, message.partition)
        if model is None:
            raise InvalidInput(f"no pipeline file has the model {partial.model!r}")
        model.inbox.append(partial)

    async def flush(self) -> None:
        """Judge what is due, raise the alarms, then store. Raises Unavailable when either is not sure."""
        for model in list(self._models.values()):
            inbox, model.inbox = model.inbox, []
            if inbox:
                await self._evaluate(model, inbox)

    async def _evaluate(self, model: Model, inbox: Sequence[PanePartial]) -> None:
        watermark = model.panes.watermark
        newer = {_partial_key(model.watch.model, one): one for one in inbox if model.panes.put(one)}
        if model.panes.watermark != watermark:
            model.heard = datetime.now(UTC)
        if self._catalogue.is_released(model.watch.model):
            await self._give_evidence(model, newer.values())
        state, judged = await self._judge(model)
        raised = [Raised(*alarm) for one in judged for alarm in one.alarms]
        await self._tell(raised)
        changes: Changes = {key: partial.SerializeToString() for key, partial in newer.items()}
        changes |= model.records.add_alarms(raised)
        changes |= model.records.add_windows(window_records(model.judge, self._catalogue, judged))
        await self._log.write(model.partition, list(changes.items()))
        if state != model.state:
            model.state = state
            stored = json.dumps(state.to_dict()).encode()
            await self._log.write(model.partition, [(f"model/{model.watch.model}", stored)])
        await self._forget(model)
        showing.show(model.watch, model.panes, model.heard, judged, raised)

    async def _judge(self, model: Model) -> tuple[ModelState, list[Judged]]:
        """What is due; nothing where a fault that nobody foresaw stops this model, for it must not stop the others."""
        try:
            return await asyncio.to_thread(model.judge.judge, model.state)
        except Exception:
            log.exception("a model is not judged", model=model.watch.model)
            metrics.UNJUDGED.labels(model.watch.model).inc()
            return model.state, []

    async def _give_evidence(self, model: Model, changed: Iterable[PanePartial]) -> None:
        """Tell of the panes that changed, and of those of which something became complete."""
        complete = model.panes.complete_until or 0
        starts = {one.start for one in changed} | completed(model.panes, model.evidence_until, complete)
        for evidence in rollout_evidence(model.panes, starts):
            event = new_event("monitor", evidence.model, evidence, id=rollout_id(evidence))
            await self._publisher.send(topics.ROLLOUT_EVIDENCE, event)
        model.evidence_until = complete

    async def _tell(self, raised: Sequence[Raised]) -> None:
        for one in raised:
            if not one.muted_by:
                await self._raise(one)
        if raised:
            failpoints.hit("monitor.after-drift")

    async def _raise(self, raised: Raised) -> None:
        alarm = raised.alarm
        with tracing.span("drift detected", kind=SpanKind.PRODUCER):
            await self._publisher.send(topics.DRIFT_DETECTED, new_event("monitor", alarm.model, alarm, id=raised.id))
        log.warning("drift detected", model=alarm.model, version=alarm.version, reason=alarm.reason)

    def _muted_by(self, alarm: DriftDetected) -> str:
        """Id of the response that mutes the alarm, empty if people gave none."""
        response = self._responses.mutes(alarm, datetime.now(UTC)) if self._responses is not None else None
        return response.id if response is not None else ""

    async def _forget(self, model: Model) -> None:
        before = model.judge.keep_from(model.state)
        if before is None:
            return
        model.judge.forget(before)
        old = model.panes.forget(before)
        if old:
            await self._log.write(model.partition, [(_place_key(model.watch.model, key), None) for key in old])

    def _model(self, name: str, partition: int) -> Model | None:
        watch = self._catalogue.watch(name)
        if watch is None:
            return None
        if name not in self._models:
            panes = PaneStore(watch, self.prediction_partitions)
            judge = Judge(watch, panes, self._catalogue, lambda: self._arrivals.of(watch.pipeline), self._muted_by)
            self._models[name] = Model(watch, partition, panes, judge, Records(name))
        return self._models[name]

    def _restore(self, partition: int, key: str, value: bytes) -> None:
        kind, name, *rest = key.split("/")
        model = self._model(name, partition)
        if model is None:
            return
        match kind:
            case "partial":
                model.panes.put(PanePartial.FromString(value))
            case "model":
                model.state = ModelState.from_dict(json.loads(value))
            case "window" | "alarm":
                model.records.restore(kind, rest[0], value)


def _partial_key(model: str, partial: PanePartial) -> str:
    return _place_key(model, PartialKey.of(partial))


def _place_key(model: str, key: PartialKey) -> str:
    arm: Arm = key.arm
    return f"partial/{model}/{arm.version}/{key.start}/{key.length}/{key.partition}/{int(arm.mirror)}"
