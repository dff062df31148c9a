"""Turns the messages of a stream into clean rows and refusals. A stream is a topic of records, or `ground-truth`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_contracts import topics
from tidemill_contracts.pipeline import Pipeline, Source
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import decode

from tidemill_ingest.domain.schema import Validator


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


class LabelStream:
    """Ground truth with a record id: labels for training. Truth of predictions alone is the monitor's."""

    topic = topics.GROUND_TRUTH
    name = topics.GROUND_TRUTH
    table = "labels"
    key: str | None = None

    def __init__(self, pipelines: Sequence[Pipeline]) -> None:
        self._pipelines = {name: pipeline for pipeline in pipelines for name in (pipeline.name, pipeline.model)}

    def refine(self, messages: Sequence[Message]) -> Refined:
        refined = Refined([], [], [])
        for message in messages:
            position = f"{self.topic}/{message.partition}/{message.offset}"
            try:
                truth = decode(message.value, message.headers, GroundTruth, position=position, key=message.key).data
                if truth.record_id:
                    refined.rows.append(self._row(truth, message))
                    refined.offsets.append((message.partition, message.offset))
            except InvalidInput as error:
                refined.refusals.append(Refusal(message, (str(error),)))
        return refined

    def _row(self, truth: GroundTruth, message: Message) -> dict[str, Any]:
        pipeline = self._pipelines.get(truth.pipeline)
        if pipeline is None:
            known = ", ".join(sorted(self._pipelines))
            raise InvalidInput(f"pipeline: {truth.pipeline!r} is not one of {known}")
        classes = pipeline.label.classes
        if classes is not None and (not truth.label.is_integer() or not 0 <= truth.label < classes):
            raise InvalidInput(f"label: {truth.label:g} is not a class from 0 to {classes - 1}")
        if truth.label != truth.label or truth.label in (float("inf"), float("-inf")):
            raise InvalidInput("label: not finite")
        observed = truth.observed_at.ToDatetime(UTC) if truth.HasField("observed_at") else message.received_at
        return {
            "pipeline": pipeline.name,
            "record_id": truth.record_id,
            "label": truth.label,
            "observed_at": observed,
        }
