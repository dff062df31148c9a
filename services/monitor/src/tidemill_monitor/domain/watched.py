"""What is watched: the monitors of each model's pipeline and what each of its versions learnt from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from tidemill.v1.model_pb2 import ModelApproved, Route
from tidemill_contracts.durations import microseconds
from tidemill_contracts.monitors import Monitors
from tidemill_contracts.pipeline import Pipeline, feature_name
from tidemill_stats.reference import Reference, reference_from_proto

KEPT_DECODED = 32
SLOW_SECONDS = 0.5


@dataclass(frozen=True)
class Watch:
    """How one model is watched; durations in microseconds of event time."""

    model: str
    pipeline: str
    task: Literal["classification", "regression"]
    classes: int | None
    pane: int
    window: int
    lateness: int
    label_delay: int
    label_expiry: int
    slices: tuple[str, ...]
    monitors: Monitors

    @staticmethod
    def of(pipeline: Pipeline) -> "Watch":
        """The watch that a pipeline file asks for."""
        monitors = pipeline.monitors
        delay = microseconds(pipeline.label.delay)
        lateness = microseconds(monitors.lateness)
        expiry = microseconds(monitors.label_expiry) if monitors.label_expiry else max(2 * delay, lateness)
        return Watch(
            model=pipeline.model,
            pipeline=pipeline.name,
            task=pipeline.task,
            classes=pipeline.label.classes,
            pane=microseconds(monitors.pane_length),
            window=microseconds(monitors.window),
            lateness=lateness,
            label_delay=delay,
            label_expiry=expiry,
            slices=tuple(feature_name(feature) for feature in monitors.slices),
            monitors=monitors,
        )

    @property
    def maturity(self) -> int:
        """How long after its end a pane's performance is judged: when most truths have come."""
        return max(self.label_delay, self.lateness)

    @property
    def latency_objective(self) -> float:
        """Seconds; a slower answer is slow."""
        return self.monitors.serving.latency if self.monitors.serving else SLOW_SECONDS

    @property
    def loss(self) -> str:
        """The loss whose rise is a fall of performance."""
        rule = self.monitors.performance
        if rule is not None and rule.metric is not None:
            return rule.metric
        return "squared_error" if self.classes is None else "log_loss"


@dataclass(frozen=True)
class Version:
    """What an approved version learnt from (None: not said) and what it promised on its test rows."""

    model: str
    number: int
    reference: Reference | None
    test_metrics: Mapping[str, float]


class Catalogue:
    """Every watched model and every approved version of it; references are read when they are first asked for."""

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        watches = [Watch.of(pipeline) for pipeline in pipelines]
        self._watches = {watch.model: watch for watch in watches}
        self._model_of = {watch.pipeline: watch.model for watch in watches} | {model: model for model in self._watches}
        self._approved: dict[tuple[str, int], bytes] = {}
        self._routes: dict[str, Route] = {}
        self._decoded = lru_cache(KEPT_DECODED)(self._decode)

    def approve(self, approved: ModelApproved) -> None:
        """Note a version; a repetition changes nothing."""
        self._approved.setdefault((approved.model, approved.version), approved.SerializeToString())

    def note_route(self, route: Route) -> None:
        """Note who serves a model; an older route changes nothing."""
        known = self._routes.get(route.model)
        if known is None or route.epoch > known.epoch:
            self._routes[route.model] = route

    def is_released(self, model: str) -> bool:
        """Whether a release is under way: more than one version answers, or one only watches."""
        route = self._routes.get(model)
        if route is None:
            return False
        return sum(arm.weight > 0 for arm in route.arms) > 1 or any(one.fraction > 0 for one in route.mirrors)

    def is_approved(self, model: str, number: int) -> bool:
        return (model, number) in self._approved

    def watch(self, model: str) -> Watch | None:
        return self._watches.get(model)

    def version(self, model: str, number: int) -> Version | None:
        """What is known of a version, None if it is not approved. Raises StatsError when its reference contradicts
        itself."""
        return self._decoded(model, number) if self.is_approved(model, number) else None

    def model_of(self, name: str) -> str:
        """The model that a model's or a pipeline's name means; empty if it means none."""
        return self._model_of.get(name, "")

    @property
    def models(self) -> list[str]:
        """Names of the watched models, sorted."""
        return sorted(self._watches)

    def _decode(self, model: str, number: int) -> Version:
        approved = ModelApproved.FromString(self._approved[model, number])
        reference = reference_from_proto(approved.reference) if approved.HasField("reference") else None
        return Version(model, number, reference, dict(approved.test_metrics))
