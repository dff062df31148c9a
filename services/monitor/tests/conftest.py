import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pytest
from tidemill.v1.model_pb2 import Arm, Mirror, ModelApproved, Route
from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill.v1.prediction_pb2 import ARM_ROLE_PRIMARY, ArmRole, GroundTruth, GroundTruthBatch, PredictionBatch
from tidemill_contracts.pipeline import Pipeline
from tidemill_monitor.domain.lenses import Lenses
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.watched import Catalogue, Watch
from tidemill_monitor.messages import Message
from tidemill_runtime.errors import Unavailable
from tidemill_stats.learning import Rows, Windows, learn
from tidemill_stats.reference import Reference, reference_to_proto

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY
PROMISE = {"log_loss": 0.5, "accuracy": 0.7}


def pipeline(classes: int | None = 2, **monitors: object) -> Pipeline:
    """Panes of a day, an hour of lateness, labels after two days; `classes` is None for quantities."""
    settings: dict[str, object] = {
        "window": "1d",
        "pane": "1d",
        "lateness": "1h",
        "label_expiry": "4d",
        "slices": ["c"],
    }
    fields = {"at": {"type": "timestamp"}, "x": {"type": "float"}, "c": {"type": "category"}}
    return Pipeline.model_validate(
        {
            "apiVersion": "tidemill/v1",
            "name": "tides",
            "model": "tide",
            "task": "regression" if classes is None else "classification",
            "sources": {"gauge": {"event_time": "at", "fields": fields}},
            "primary": "gauge",
            "label": {"name": "high", "delay": "2d", "classes": classes},
            "features": ["x", "c"],
            "seed": 1,
            "training_code": "training.py",
            "candidates": [{"name": "one", "algorithm": "one"}],
            "metrics": ["rmse", "mae"] if classes is None else ["log_loss", "accuracy"],
            "primary_metric": "rmse" if classes is None else "log_loss",
            "monitors": settings | monitors,
        }
    )


def inputs(rows: int, shift: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(shift, 1.0, rows),
        "c": np.array(rng.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2]), dtype=object),
    }


@cache
def reference() -> Reference:
    count = 4000
    rng = np.random.default_rng(99)
    chances = rng.uniform(0.1, 0.9, count)
    outputs = np.stack([(chances > 0.5).astype(float), 1 - chances, chances], axis=1)
    labels = (rng.uniform(size=count) < chances).astype(float)
    rows = Rows(inputs(count, seed=99), START - (count - np.arange(count)) * HOUR // 4, outputs, labels, 2)
    return learn(rows, rows, Windows(DAY, DAY, 500, slices=("c",)), seed=1)


def approval(version: int = 1) -> ModelApproved:
    message = ModelApproved(model="tide", version=version, pipeline="tides", test_metrics=PROMISE)
    message.reference.CopyFrom(reference_to_proto(reference()))
    return message


def catalogue_of(*versions: int, **monitors: object) -> Catalogue:
    catalogue = Catalogue([pipeline(**monitors)])
    for version in versions or (1, 2, 3):
        catalogue.approve(approval(version))
    return catalogue


def route(epoch: int = 1, arms: Mapping[int, float] | None = None, mirrors: Mapping[int, float] | None = None) -> Route:
    """Weights and fractions by version; version 2 is let in where no arms are given: it takes a tenth."""
    return Route(
        model="tide",
        epoch=epoch,
        arms=[Arm(version=version, weight=weight) for version, weight in (arms or {1: 0.9, 2: 0.1}).items()],
        mirrors=[Mirror(version=version, fraction=fraction) for version, fraction in (mirrors or {}).items()],
    )


def released(**monitors: object) -> Catalogue:
    """The catalogue while version 2 is let in."""
    catalogue = catalogue_of(**monitors)
    catalogue.note_route(route())
    return catalogue


def quantities(known: Reference | None = None) -> Catalogue:
    """Two versions that predict quantities, while the second is let in; what they learnt from is `known`."""
    catalogue = Catalogue([pipeline(classes=None)])
    for version in (1, 2):
        message = None if known is None else reference_to_proto(known)
        catalogue.approve(ModelApproved(model="tide", version=version, pipeline="tides", reference=message))
    catalogue.note_route(route())
    return catalogue


def batch(
    ids: Sequence[str],
    times: Sequence[int] | None = None,
    *,
    version: int = 1,
    role: ArmRole = ARM_ROLE_PRIMARY,
    error: str = "",
    probability: float = 0.75,
    quantity: float | None = None,
    latency: float = 0.01,
    epoch: int = 1,
    units: Sequence[int] = (),
    shift: float = 0.0,
    seed: int = 0,
) -> PredictionBatch:
    """Predictions of class 1 with `probability`, or of a `quantity`, an hour apart from START unless `times` are
    given."""
    count = len(ids)
    message = PredictionBatch(
        model="tide",
        version=version,
        role=role,
        prediction_ids=ids,
        event_times=times if times is not None else [START + index * HOUR for index in range(count)],
        latencies=[latency] * count,
        error=error,
        epoch=epoch,
        units=units,
    )
    columns = inputs(count, shift, seed)
    message.inputs.add(name="x").numbers.values.extend(columns["x"].tolist())
    message.inputs.add(name="c").texts.values.extend(columns["c"].tolist())
    if quantity is not None and not error:
        message.outputs.add(name="prediction").numbers.values.extend([quantity] * count)
    elif not error:
        message.outputs.add(name="label").numbers.values.extend([float(probability > 0.5)] * count)
        message.outputs.add(name="probabilities").numbers.values.extend([1 - probability, probability] * count)
    return message


def truth(prediction_id: str, label: float = 1.0, observed: int = START) -> GroundTruth:
    message = GroundTruth(prediction_id=prediction_id, pipeline="tides", label=label)
    message.observed_at.FromMicroseconds(observed)
    return message


def truths(*rows: tuple[str, float, int]) -> GroundTruthBatch:
    """A batch of (prediction id, label, observed at)."""
    ids, labels, observed = zip(*rows, strict=True)
    return GroundTruthBatch(pipeline="tides", prediction_ids=ids, labels=labels, observed_at=observed)


def partials(partition: Partition) -> dict[tuple[int, int], PanePartial]:
    """What the panes told say, by version and number of the day since START."""
    partition.process()
    return {(one.version, (one.start - START) // DAY): one for one in partition.take_partials()}


@dataclass
class MemoryLog:
    """A changelog in memory; fails while `available` is False."""

    stored: dict[int, dict[str, bytes]] = field(default_factory=dict)
    available: bool = True

    async def write(self, partition: int, changes: Sequence[tuple[str, bytes | None]]) -> None:
        await asyncio.sleep(0)
        if not self.available:
            raise Unavailable("made unavailable by a test")
        for key, value in changes:
            if value is None:
                self.stored.setdefault(partition, {}).pop(key, None)
            else:
                self.stored.setdefault(partition, {})[key] = value

    def items(self, partitions: Iterable[int]) -> dict[int, list[tuple[str, bytes]]]:
        return {partition: list(self.stored.get(partition, {}).items()) for partition in partitions}


def message(
    topic: str, value: bytes, offset: int = 0, partition: int = 0, received: int = NOW, **headers: str
) -> Message:
    names = {"content_type": "content-type"}
    pairs = tuple((names.get(name, name), text.encode()) for name, text in headers.items())
    return Message(topic, partition, offset, b"key", value, pairs, received)


class Make:
    """What tests are made of."""

    pipeline = staticmethod(pipeline)
    catalogue = staticmethod(catalogue_of)
    released = staticmethod(released)
    quantities = staticmethod(quantities)
    route = staticmethod(route)
    approval = staticmethod(approval)
    batch = staticmethod(batch)
    truth = staticmethod(truth)
    truths = staticmethod(truths)
    partials = staticmethod(partials)
    message = staticmethod(message)
    reference = staticmethod(reference)
    log = MemoryLog

    @cached_property
    def shared(self) -> Catalogue:
        """A catalogue for tests that approve nothing."""
        return catalogue_of()

    @cached_property
    def shared_lenses(self) -> Lenses:
        return Lenses(self.shared)

    @cached_property
    def shared_released(self) -> Catalogue:
        """The same while a version is let in."""
        return released()

    def watch(self, **monitors: object) -> Watch:
        return Watch.of(pipeline(**monitors))


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()
