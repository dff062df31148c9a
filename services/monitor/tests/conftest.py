import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from tidemill.v1.model_pb2 import ModelApproved
from tidemill.v1.monitoring_pb2 import MetricSums, WindowPartial
from tidemill.v1.prediction_pb2 import ARM_ROLE_PRIMARY, ArmRole, GroundTruth, PredictionBatch
from tidemill_contracts.pipeline import Pipeline
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.watched import Catalogue, Watch
from tidemill_monitor.messages import Message
from tidemill_runtime.errors import Unavailable
from tidemill_stats import MeanEstimate, profile_columns, to_proto

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY
PROMISE = {"log_loss": 0.5, "accuracy": 0.7}


def pipeline(**monitors: object) -> Pipeline:
    settings: dict[str, object] = {
        "window": "1d",
        "lateness": "1h",
        "horizon": 3,
        "input_drift": {"min_effect": 0.1, "persistence": 2},
        "performance": {"metric": "log_loss", "min_effect": 0.05, "persistence": 2},
        "cooldown": "10d",
    }
    return Pipeline.model_validate(
        {
            "apiVersion": "tidemill/v1",
            "name": "tides",
            "model": "tide",
            "task": "classification",
            "sources": {
                "gauge": {
                    "event_time": "at",
                    "fields": {"at": {"type": "timestamp"}, "x": {"type": "float"}, "c": {"type": "category"}},
                }
            },
            "primary": "gauge",
            "label": {"name": "high", "delay": "2d", "classes": 2},
            "features": ["x", "c"],
            "seed": 1,
            "training_code": "training.py",
            "candidates": [{"name": "one", "algorithm": "one"}],
            "metrics": ["log_loss", "accuracy"],
            "primary_metric": "log_loss",
            "monitors": settings | monitors,
        }
    )


def inputs(rows: int, shift: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(shift, 1.0, rows),
        "c": np.array(rng.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2]), dtype=object),
    }


REFERENCE = profile_columns(inputs(20_000, seed=99))


def approval(version: int = 1) -> ModelApproved:
    return ModelApproved(
        model="tide", version=version, pipeline="tides", training_profile=to_proto(REFERENCE), test_metrics=PROMISE
    )


def catalogue_of(*versions: int, **monitors: object) -> Catalogue:
    catalogue = Catalogue([pipeline(**monitors)])
    for version in versions or (1, 2, 3):
        catalogue.approve(approval(version))
    return catalogue


def batch(
    ids: Sequence[str],
    times: Sequence[int] | None = None,
    *,
    version: int = 1,
    role: ArmRole = ARM_ROLE_PRIMARY,
    error: str = "",
    probability: float = 0.75,
    shift: float = 0.0,
    seed: int = 0,
) -> PredictionBatch:
    """Predictions of class 1 with `probability`, an hour apart from START unless `times` are given."""
    count = len(ids)
    message = PredictionBatch(
        model="tide",
        version=version,
        role=role,
        prediction_ids=ids,
        event_times=times if times is not None else [START + index * HOUR for index in range(count)],
        latencies=[0.01] * count,
        error=error,
    )
    columns = inputs(count, shift, seed)
    message.inputs.add(name="x").numbers.values.extend(columns["x"].tolist())
    message.inputs.add(name="c").texts.values.extend(columns["c"].tolist())
    if not error:
        message.outputs.add(name="label").numbers.values.extend([float(probability > 0.5)] * count)
        message.outputs.add(name="probabilities").numbers.values.extend([1 - probability, probability] * count)
    return message


def truth(prediction_id: str, label: float = 1.0, observed: int = START) -> GroundTruth:
    message = GroundTruth(prediction_id=prediction_id, pipeline="tides", label=label)
    message.observed_at.FromMicroseconds(observed)
    return message


def partials(partition: Partition, truths_read: bool = True) -> dict[tuple[int, int], WindowPartial]:
    """Newest partial by version and number of the day since START."""
    return {(one.version, (one.start - START) // DAY): one for one in partition.take_partials(truths_read)}


def window_partial(
    day: int,
    *,
    version: int = 1,
    partition: int = 0,
    shift: float = 0.0,
    rows: int = 400,
    loss: float | None = None,
    offset: int = 1,
    watermark_day: float | None = None,
) -> WindowPartial:
    """A day's partial whose x is shifted, with `rows` losses around `loss`; its watermark is the day's end."""
    end = START + (day + 1) * DAY
    profile = profile_columns(inputs(rows, shift, seed=day + 1000 * partition), reference=REFERENCE)
    message = WindowPartial(
        model="tide",
        version=version,
        partition=partition,
        start=end - DAY,
        length=DAY,
        watermark=end if watermark_day is None else START + int(watermark_day * DAY),
        inputs=to_proto(profile),
        predictions=rows,
        offset=offset,
    )
    if loss is not None:
        estimate = MeanEstimate.of(np.random.default_rng(day).normal(loss, 0.2, rows))
        message.labelled = rows
        message.metrics["log_loss"].CopyFrom(
            MetricSums(count=rows, sum=estimate.sum, sum_of_squares=estimate.sum_of_squares)
        )
    return message


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


def message(topic: str, value: bytes, offset: int = 0, partition: int = 0, **headers: str) -> Message:
    pairs = tuple((name.replace("_", "-"), text.encode()) for name, text in headers.items())
    return Message(topic, partition, offset, b"key", value, pairs)


class Make:
    """What tests are made of."""

    pipeline = staticmethod(pipeline)
    catalogue = staticmethod(catalogue_of)
    approval = staticmethod(approval)
    batch = staticmethod(batch)
    truth = staticmethod(truth)
    partials = staticmethod(partials)
    window_partial = staticmethod(window_partial)
    message = staticmethod(message)
    log = MemoryLog
    reference = REFERENCE

    def watch(self, **monitors: object) -> Watch:
        return Watch.of(pipeline(**monitors))


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()
