"""A stream of predictions and truths of a model that needs no trainer: the same rows for the same name of the model.

Panes of 15 minutes and windows of an hour. From `SHIFT` on an input moves and the answers are mostly wrong, so that one
alarm of each kind is due.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
from aiokafka.partitioner import murmur2
from tidemill.v1.model_pb2 import Arm, Mirror, ModelApproved, Route
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, ARM_ROLE_PRIMARY, GroundTruth, GroundTruthBatch, PredictionBatch
from tidemill_stats.learning import Rows, Windows, learn
from tidemill_stats.reference import reference_to_proto

PARTITIONS = 4
MINUTE = 60_000_000
PANE, WINDOW = 15 * MINUTE, 60 * MINUTE
LATENESS, EXPIRY = 30 * MINUTE, 120 * MINUTE
START = 1_709_251_200_000_000
PER_PANE = 60
PANES = 60
SHIFT = 40
MIRRORED = range(12, 20)
CORRECTED_AFTER = 10 * MINUTE
EPOCH = 1
DIGEST = "0" * 64
Message = PredictionBatch | GroundTruth | GroundTruthBatch


@dataclass(frozen=True)
class Sent:
    """A message with the partition of its prediction ids."""

    partition: int
    data: Message


@dataclass(frozen=True)
class World:
    """Rows by number. Each has its fate: an answer or an error, a truth when and which, a second truth or none."""

    times: np.ndarray
    x: np.ndarray
    c: np.ndarray
    probability: np.ndarray
    truth: np.ndarray
    failed: np.ndarray
    labelled: np.ndarray
    corrected: np.ndarray
    observed: np.ndarray


@cache
def world() -> World:
    """The rows of all panes."""
    rows = PER_PANE * PANES
    random = np.random.default_rng(20240301)
    number = np.arange(rows)
    moved = number >= SHIFT * PER_PANE
    x = random.normal(size=rows) + 1.5 * moved
    probability = _answer(x)
    return World(
        times=START + number * (PANE // PER_PANE),
        x=x,
        c=random.choice(["a", "b", "c"], rows, p=[0.5, 0.3, 0.2]),
        probability=probability,
        truth=(random.random(rows) < np.where(moved, 1 - probability, probability)).astype(float),
        failed=number // 4 % 30 == 29,
        labelled=number % 10 != 3,
        corrected=number % 10 == 7,
        observed=START + number * (PANE // PER_PANE) + random.integers(5, 40, rows) * MINUTE,
    )


@dataclass(frozen=True)
class Stream:
    """The world as the traffic of one model; its prediction ids are its own."""

    model: str

    def identifier(self, row: int) -> str:
        """Prediction id of a row; it lies in the same partition whatever the model."""
        return _identifier(self.model, row)

    def predictions(self, rows: Iterable[int], version: int = 1, *, mirror: bool = False) -> list[Sent]:
        """Batches of these rows, each of one partition and of answers or of errors."""
        groups: dict[tuple[int, bool], list[int]] = {}
        for row in rows:
            key = partition_of(self.identifier(row)), bool(world().failed[row])
            groups.setdefault(key, []).append(row)
        return [Sent(place, self._batch(some, version, failed, mirror)) for (place, failed), some in groups.items()]

    def pane(self, number: int, some: range | None = None) -> list[Sent]:
        """What is predicted in a pane, or of some of its rows."""
        rows = rows_of(number) if some is None else some
        mirrored = self.predictions(rows, 2, mirror=True) if number in MIRRORED else []
        return self.predictions(rows) + mirrored

    def strangers(self, times: Mapping[str, int]) -> list[Sent]:
        """Predictions that are not of this world: event times by id."""
        by_partition: dict[int, list[str]] = {}
        for identifier in times:
            by_partition.setdefault(partition_of(identifier), []).append(identifier)
        return [Sent(place, self._strange(some, times)) for place, some in by_partition.items()]

    def truths(self, since: int, until: int) -> list[Sent]:
        """Truths that become known in [since, until): the first one of each partition alone, the others in a batch."""
        facts = sorted(_facts(since, until))
        by_partition: dict[int, list[tuple[int, int, float]]] = {}
        for fact in facts:
            by_partition.setdefault(partition_of(self.identifier(fact[1])), []).append(fact)
        return [one for place, some in by_partition.items() for one in self._told(place, some)]

    def steps(self, first: int = 0, last: int = PANES) -> Iterator[list[Sent]]:
        """The stream pane by pane: the truths known by then, and the predictions of the pane."""
        for pane in range(first, last):
            start = START + pane * PANE
            yield self.truths(start - PANE, start) + self.pane(pane)

    def _told(self, place: int, facts: list[tuple[int, int, float]]) -> Iterator[Sent]:
        observed, row, label = facts[0]
        alone = GroundTruth(prediction_id=self.identifier(row), pipeline=self.model, label=label)
        alone.observed_at.FromMicroseconds(observed)
        yield Sent(place, alone)
        if len(facts) > 1:
            yield Sent(place, truth_batch(self.model, [(self.identifier(r), at, one) for at, r, one in facts[1:]]))

    def _strange(self, ids: list[str], times: Mapping[str, int]) -> PredictionBatch:
        message = PredictionBatch(model=self.model, version=1, prediction_ids=ids, event_times=[times[i] for i in ids])
        fill(message, np.zeros(len(ids)), np.full(len(ids), "a"), np.full(len(ids), 0.5))
        return message

    def _batch(self, rows: list[int], version: int, failed: bool, mirror: bool) -> PredictionBatch:
        sea = world()
        message = PredictionBatch(
            model=self.model,
            version=version,
            role=ARM_ROLE_MIRROR if mirror else ARM_ROLE_PRIMARY,
            prediction_ids=[self.identifier(row) for row in rows],
            event_times=sea.times[rows].tolist(),
            latencies=[0.01] * len(rows),
            error="made to fail" if failed else "",
            epoch=EPOCH,
        )
        fill(message, sea.x[rows], sea.c[rows], sea.probability[rows])
        return message


def fill(message: PredictionBatch, x: np.ndarray, c: np.ndarray, probability: np.ndarray) -> None:
    """Add inputs, and outputs unless there is an error."""
    message.inputs.add(name="x").numbers.values.extend(x.tolist())
    message.inputs.add(name="c").texts.values.extend(c.tolist())
    if not message.error:
        message.outputs.add(name="label").numbers.values.extend((probability > 0.5).astype(float).tolist())
        both = np.stack([1 - probability, probability], axis=1).ravel()
        message.outputs.add(name="probabilities").numbers.values.extend(both.tolist())


def truth_batch(model: str, facts: Iterable[tuple[str, int, float]]) -> GroundTruthBatch:
    """Truths (id, when known, label) of one partition."""
    ids, observed, labels = zip(*facts, strict=True)
    return GroundTruthBatch(pipeline=model, prediction_ids=ids, labels=labels, observed_at=observed)


def rows_of(pane: int) -> range:
    """Numbers of the rows of a pane."""
    return range(pane * PER_PANE, (pane + 1) * PER_PANE)


def partition_of(prediction_id: str) -> int:
    """Where Kafka's default partitioner places a key."""
    return (int(murmur2(prediction_id.encode())) & 0x7FFFFFFF) % PARTITIONS


def approvals(model: str) -> list[ModelApproved]:
    """Two versions that learnt the same from the same rows."""
    return [
        ModelApproved(model=model, version=version, pipeline=model, reference=_reference(), approved_by="policy")
        for version in (1, 2)
    ]


def route(model: str) -> Route:
    """The first version answers and the second watches, so that a release is under way."""
    return Route(
        model=model,
        epoch=EPOCH,
        arms=[Arm(version=1, artifact_digest=DIGEST, weight=1.0)],
        mirrors=[Mirror(version=2, artifact_digest=DIGEST, fraction=1.0)],
        reason="version 2 is to watch",
    )


def write_pipeline(folder: Path, model: str) -> None:
    """The pipeline file of a model, with the monitors that have something to say of this world."""
    folder.mkdir(parents=True)
    (folder / "training.py").write_text("")
    (folder / "pipeline.yaml").write_text(json.dumps(_pipeline(model)))


def _pipeline(model: str) -> dict[str, object]:
    fields = {"at": {"type": "timestamp"}, "x": {"type": "float"}, "c": {"type": "category"}}
    quiet = ["multivariate_drift", "prediction_drift", "estimated_performance", "outliers", "traffic", "serving"]
    return {
        "apiVersion": "tidemill/v1",
        "name": model,
        "model": model,
        "task": "classification",
        "sources": {"gauge": {"event_time": "at", "fields": fields}},
        "primary": "gauge",
        "label": {"name": "high", "delay": "1h", "classes": 2},
        "features": ["x", "c"],
        "seed": 1,
        "training_code": "training.py",
        "candidates": [{"name": "one", "algorithm": "logistic_regression"}],
        "metrics": ["log_loss", "accuracy"],
        "primary_metric": "log_loss",
        "monitors": {
            "window": "1h",
            "rows": PER_PANE * 4,
            "lateness": "30m",
            "label_expiry": "2h",
            "cooldown": "7d",
            "false_alarms": {"observations": 20_000, "period": "10d"},
            "slices": ["c"],
            **dict.fromkeys(quiet),
        },
    }


@cache
def _reference() -> object:
    rows = 4000
    random = np.random.default_rng(1)
    x = random.normal(size=rows)
    probability = _answer(x)
    given = Rows(
        columns={"x": x, "c": random.choice(np.array(["a", "b", "c"], dtype=object), rows, p=[0.5, 0.3, 0.2])},
        times=START - 30 * 24 * WINDOW + np.arange(rows, dtype=np.int64) * (PANE // PER_PANE),
        outputs=np.stack([(probability > 0.5).astype(float), 1 - probability, probability], axis=1),
        labels=(random.random(rows) < probability).astype(float),
        classes=2,
    )
    windows = Windows(PANE, WINDOW, PER_PANE * 4, slices=("c",))
    return reference_to_proto(learn(given, given, windows, seed=1))


@cache
def _identifier(model: str, row: int) -> str:
    place = partition_of(str(row))
    return next(one for number in count() if partition_of(one := f"{model}-{row}-{number}") == place)


def _answer(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-1.5 * x))


def _facts(since: int, until: int) -> Iterator[tuple[int, int, float]]:
    """When known, row and label, of first truths and of corrections."""
    sea = world()
    for after, rows in ((0, sea.labelled), (CORRECTED_AFTER, sea.labelled & sea.corrected)):
        known = sea.observed + after
        for row in np.flatnonzero(rows & (known >= since) & (known < until)).tolist():
            wrong = sea.corrected[row] and not after
            yield int(known[row]), row, float(abs(sea.truth[row] - wrong))
