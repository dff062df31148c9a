"""Predictions and truths to measure with: 20 numeric features, a binary classifier, half of the rows labelled."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tidemill.v1.model_pb2 import ModelApproved
from tidemill.v1.prediction_pb2 import ARM_ROLE_PRIMARY, GroundTruthBatch, PredictionBatch
from tidemill_contracts.pipeline import Pipeline
from tidemill_stats.learning import Rows, Windows, learn
from tidemill_stats.reference import reference_to_proto

FEATURES = 20
MODEL = "bench"
HOUR = 3600 * 1_000_000
START = 1_700_000_000_000_000 // HOUR * HOUR
PARTITIONS = 4


def pipeline_file(**monitors: object) -> dict[str, object]:
    """A pipeline file with all monitors on."""
    names = [f"f{number:02}" for number in range(FEATURES)]
    fields = {"at": {"type": "timestamp"}, **{name: {"type": "float"} for name in names}}
    return {
        "apiVersion": "tidemill/v1",
        "name": MODEL,
        "model": MODEL,
        "task": "classification",
        "sources": {"rows": {"event_time": "at", "fields": fields}},
        "primary": "rows",
        "label": {"name": "label", "delay": "1h", "classes": 2},
        "features": names,
        "seed": 1,
        "training_code": "training.py",
        "candidates": [{"name": "one", "algorithm": "one"}],
        "metrics": ["log_loss", "accuracy"],
        "primary_metric": "log_loss",
        "monitors": {"window": "1d", "lateness": "1h", **monitors},
    }


def pipeline(**monitors: object) -> Pipeline:
    """The pipeline of that file."""
    return Pipeline.model_validate(pipeline_file(**monitors))


def approval(rows: int = 20_000) -> ModelApproved:
    """A version that learnt from rows like those that will come."""
    random = np.random.default_rng(1)
    columns = {f"f{number:02}": random.normal(size=rows) for number in range(FEATURES)}
    chances = random.uniform(0.05, 0.95, rows)
    outputs = np.stack([(chances > 0.5).astype(float), 1 - chances, chances], axis=1)
    labels = (random.uniform(size=rows) < chances).astype(float)
    times = np.arange(rows, dtype=np.int64) * HOUR // 100
    given = Rows(columns, times, outputs, labels, 2)
    reference = learn(given, given, Windows(6 * HOUR, 24 * HOUR, 500), seed=1)
    message = ModelApproved(model=MODEL, version=1, pipeline=MODEL, test_metrics={"log_loss": 0.5, "accuracy": 0.7})
    message.reference.CopyFrom(reference_to_proto(reference))
    return message


@dataclass(frozen=True)
class Sent:
    """Messages of one partition: predictions, and the truths of a share of them."""

    predictions: bytes
    truths: bytes
    partition: int


class Traffic:
    """What the gateway sends for one partition after the other: batches of `rows` predictions, at `per_second` of event
    time, `labelled` of which get a label."""

    def __init__(
        self, rows: int, *, start: int = START, per_second: float = 10_000, labelled: float = 0.5, seed: int = 0
    ) -> None:
        self._rows = rows
        self._random = np.random.default_rng(seed)
        self._time = start
        self._step = int(1_000_000 / per_second)
        self._labelled = labelled
        pool = 50
        self._inputs = [self._random.normal(size=(FEATURES, rows)) for _ in range(pool)]
        self._chances = [self._random.uniform(0.05, 0.95, rows) for _ in range(pool)]
        self._made = 0

    def batch(self) -> Sent:
        """The next batch."""
        place = self._made % len(self._inputs)
        self._made += 1
        count = self._rows
        ids = [str(uuid.UUID(bytes=self._random.bytes(16))) for _ in range(count)]
        times = self._time + self._step * np.arange(count)
        self._time = int(times[-1]) + self._step
        chances = self._chances[place]
        message = PredictionBatch(
            model=MODEL,
            version=1,
            role=ARM_ROLE_PRIMARY,
            prediction_ids=ids,
            event_times=times.tolist(),
            latencies=[0.002] * count,
        )
        for number, values in enumerate(self._inputs[place]):
            message.inputs.add(name=f"f{number:02}").numbers.values.extend(values.tolist())
        message.outputs.add(name="label").numbers.values.extend((chances > 0.5).astype(float).tolist())
        both = np.stack([1 - chances, chances], axis=1).ravel().tolist()
        message.outputs.add(name="probabilities").numbers.values.extend(both)
        some = np.flatnonzero(self._random.uniform(size=count) < self._labelled)
        truths = GroundTruthBatch(
            pipeline=MODEL,
            prediction_ids=[ids[row] for row in some.tolist()],
            labels=(self._random.uniform(size=some.size) < chances[some]).astype(float).tolist(),
            observed_at=(times[some] + 60_000_000).tolist(),
        )
        return Sent(message.SerializeToString(), truths.SerializeToString(), self._made % PARTITIONS)

    def batches(self, count: int) -> Iterator[Sent]:
        """The next `count` batches."""
        return (self.batch() for _ in range(count))
