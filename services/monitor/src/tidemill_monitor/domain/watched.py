"""What is watched: the rules of each model's pipeline and the promise of each of its versions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tidemill.v1.model_pb2 import ModelApproved
from tidemill_contracts.pipeline import DriftRule, PerformanceRule, Pipeline
from tidemill_stats import DataProfile, from_proto

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Watch:
    """How one model is watched; durations in microseconds of event time."""

    model: str
    pipeline: str
    task: Literal["classification", "regression"]
    classes: int | None
    window: int
    lateness: int
    delay: int
    horizon: int
    cooldown: int
    input_drift: DriftRule | None
    performance: PerformanceRule | None

    @staticmethod
    def of(pipeline: Pipeline) -> "Watch":
        """The watch that a pipeline file asks for."""
        monitors = pipeline.monitors
        return Watch(
            model=pipeline.model,
            pipeline=pipeline.name,
            task=pipeline.task,
            classes=pipeline.label.classes,
            window=monitors.window // MICROSECOND,
            lateness=monitors.lateness // MICROSECOND,
            delay=pipeline.label.delay // MICROSECOND,
            horizon=monitors.horizon,
            cooldown=monitors.cooldown // MICROSECOND,
            input_drift=monitors.input_drift,
            performance=monitors.performance,
        )

    @property
    def label_patience(self) -> int:
        """How long after the end of its window a prediction waits for its truth."""
        return max(2 * self.delay, self.lateness)

    @property
    def maturity(self) -> int:
        """How long after its end a window's performance is judged: when most truths have come."""
        return max(self.delay, self.lateness)


@dataclass(frozen=True)
class Version:
    """What an approved version was trained on (None: not said) and what it promised on its test rows."""

    model: str
    number: int
    reference: DataProfile | None
    test_metrics: Mapping[str, float]


class Catalogue:
    """Every watched model and every approved version of it."""

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        watches = [Watch.of(pipeline) for pipeline in pipelines]
        self._watches = {watch.model: watch for watch in watches}
        self._model_of = {watch.pipeline: watch.model for watch in watches} | {model: model for model in self._watches}
        self._versions: dict[tuple[str, int], Version] = {}

    def approve(self, approved: ModelApproved) -> Version:
        """Note a version; a repetition changes nothing. Raises StatsError when its profile contradicts itself."""
        key = (approved.model, approved.version)
        if key not in self._versions:
            reference = from_proto(approved.training_profile) if approved.HasField("training_profile") else None
            self._versions[key] = Version(approved.model, approved.version, reference, dict(approved.test_metrics))
        return self._versions[key]

    def watch(self, model: str) -> Watch | None:
        return self._watches.get(model)

    def version(self, model: str, number: int) -> Version | None:
        return self._versions.get((model, number))

    def model_of(self, name: str) -> str:
        """The model that a model's or a pipeline's name means; empty if it means none."""
        return self._model_of.get(name, "")

    @property
    def models(self) -> list[str]:
        """Names of the watched models, sorted."""
        return sorted(self._watches)
