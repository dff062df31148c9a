"""Turns the messages of a stream into clean rows and refusals. A stream is a topic of records, or `ground-truth`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson
from tidemill.v1.prediction_pb2 import GroundTruth, GroundTruthBatch
from tidemill_contracts import topics
from tidemill_contracts.pipeline import Pipeline, Source
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import decode_data

from tidemill_ingest.domain.schema import Validator

MAX_REASONS = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Message:
    """A Kafka message."""

    partition: int
    offset: int
    received_at: datetime
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Refusal:
    """A message that is kept in quarantine, and why."""

    message: Message
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Refined:
    """Clean rows with the offsets they came from, and refusals."""

    rows: list[dict[str, Any]]
    offsets: list[tuple[int, int]]
    refusals: list[Refusal]


class Stream(Protocol):
    """What ingest takes from one topic."""

    topic: str
    name: str
    table: str
    key: str | None

    def refine(self, messages: Sequence[Message]) -> Refined:
        """Clean rows and refusals; every message ends as one of them."""


class RecordStream:
    """Raw records of a source: JSON objects that its schema allows."""

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.topic = topics.records(name)
        self.table = f"records/{name}"
        self.source = source
        self.key: str | None = source.key
        self._validator = Validator(source)

    def refine(self, messages: Sequence[Message]) -> Refined:
        refined = Refined([], [], [])
        for message in messages:
            try:
                verdict = self._validator.check(orjson.loads(message.value))
            except orjson.JSONDecodeError as error:
                refined.refusals.append(Refusal(message, (f"not JSON: {error}",)))
                continue
            if verdict.row is None:
                refined.refusals.append(Refusal(message, verdict.reasons))
            else:
                refined.rows.append(dict(verdict.row))
                refined.offsets.append((message.partition, message.offset))
        return refined


@dataclass(frozen=True)
class Label:
    """The label of a record."""

    pipeline: str
    record_id: str
    value: float
    observed_at: datetime


class LabelStream:
    """Ground truth with record ids: labels for training. Truth of predictions alone is the monitor's.

    Of a batch the rows that cannot be used are refused together, by their places, and the others are taken.
    """

    topic = topics.GROUND_TRUTH
    name = topics.GROUND_TRUTH
    table = "labels"
    key: str | None = None

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._pipelines = {name: pipeline for pipeline in pipelines for name in (pipeline.name, pipeline.model)}

    def refine(self, messages: Sequence[Message]) -> Refined:
        refined = Refined([], [], [])
        for message in messages:
            reasons: list[str] = []
            try:
                for place, label in _labels(message):
                    try:
                        refined.rows.append(self._row(label))
                        refined.offsets.append((message.partition, message.offset))
                    except InvalidInput as error:
                        reasons.append(f"{place}{error}")
            except InvalidInput as error:
                reasons.append(str(error))
            if reasons:
                refined.refusals.append(Refusal(message, tuple(reasons[:MAX_REASONS])))
        return refined

    def _row(self, label: Label) -> dict[str, Any]:
        pipeline = self._pipelines.get(label.pipeline)
        if pipeline is None:
            known = ", ".join(sorted(self._pipelines))
            raise InvalidInput(f"pipeline: {label.pipeline!r} is not one of {known}")
        classes = pipeline.label.classes
        if classes is not None and (not label.value.is_integer() or not 0 <= label.value < classes):
            raise InvalidInput(f"label: {label.value:g} is not a class from 0 to {classes - 1}")
        if not math.isfinite(label.value):
            raise InvalidInput("label: not finite")
        return {
            "pipeline": pipeline.name,
            "record_id": label.record_id,
            "label": label.value,
            "observed_at": label.observed_at,
        }


def _labels(message: Message) -> Iterator[tuple[str, Label]]:
    """The labels of a message that have a record, with their place in it; observed when Kafka got it if it is not said.

    Raises InvalidInput when the message is no ground truth.
    """
    truth = decode_data(message.value, message.headers, (GroundTruth, GroundTruthBatch))
    if isinstance(truth, GroundTruth):
        if truth.record_id:
            observed = truth.observed_at.ToDatetime(UTC) if truth.HasField("observed_at") else message.received_at
            yield "", Label(truth.pipeline, truth.record_id, truth.label, observed)
        return
    assert isinstance(truth, GroundTruthBatch)
    count = len(truth.prediction_ids)
    sizes = len(truth.record_ids), len(truth.labels), len(truth.observed_at)
    if sizes[1] != count or sizes[0] not in (0, count) or sizes[2] not in (0, count):
        raise InvalidInput("a batch of {} with {} records, {} labels and {} times".format(count, *sizes))
    for row, record_id in enumerate(truth.record_ids):
        if record_id:
            micros = truth.observed_at[row] if truth.observed_at else 0
            observed = EPOCH + timedelta(microseconds=micros) if micros else message.received_at
            yield f"row {row}: ", Label(truth.pipeline, record_id, truth.labels[row], observed)
