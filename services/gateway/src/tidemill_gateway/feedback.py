"""Labels that callers bring back, to the topic `ground-truth`."""

import asyncio
import hashlib
import math
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from tidemill.v1.prediction_pb2 import GroundTruth, GroundTruthBatch
from tidemill_contracts import topics
from tidemill_dataplane import partition_of
from tidemill_runtime.bus import Producer
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import derived_id, new_event

from tidemill_gateway import metrics
from tidemill_gateway.domain.times import now, parse_event_time
from tidemill_gateway.serving import ServedModels

MAX_LABELS = 10_000
Id = Annotated[str, Field(min_length=1, max_length=200)]


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return value


class Label(BaseModel):
    """What a prediction should have been."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    prediction_id: Id
    label: Annotated[float, BeforeValidator(_number), Field(description="Class index or quantity.")]
    record_id: Id | None = Field(default=None, description="Record the label belongs to, if it is for training.")
    model: Id | None = Field(default=None, description="Needed with record_id where several models are served.")
    observed_at: str | int | None = Field(
        default=None, description="When it became known, RFC 3339 or epoch microseconds; default: now."
    )


_LABELS = TypeAdapter(list[Label])
_LABEL_SCHEMA = Label.model_json_schema()
BODY_SCHEMA = {
    "oneOf": [_LABEL_SCHEMA, {"type": "array", "items": _LABEL_SCHEMA, "minItems": 1, "maxItems": MAX_LABELS}]
}


class Feedback:
    """Takes labels and publishes them: one as it is, many as a batch for each model and partition."""

    def __init__(self, models: ServedModels, producer: Producer) -> None:
        self._models = models
        self._producer = producer

    async def take(self, body: bytes) -> int:
        """Publish the label or labels of a JSON body; returns their number once the brokers have acknowledged all.

        The same label or labels sent again are the same event. Raises InvalidInput, which names the row, and
        Unavailable.
        """
        truths = [self._truth(label) for label in _parse(body)]
        if len(truths) == 1:
            await self._publish(truths[0])
        else:
            partitions = await self._producer.partitions(topics.GROUND_TRUTH)
            batches = _batches(truths, partitions)
            await asyncio.gather(*(self._publish_batch(place, batch) for place, batch in batches.items()))
        metrics.FEEDBACK.inc(len(truths))
        return len(truths)

    def _truth(self, label: Label) -> GroundTruth:
        truth = GroundTruth(
            prediction_id=label.prediction_id,
            record_id=label.record_id or "",
            pipeline=self._model_of(label),
            label=label.label,
        )
        observed = now() if label.observed_at is None else parse_event_time(label.observed_at)
        truth.observed_at.FromMicroseconds(observed)
        return truth

    def _model_of(self, label: Label) -> str:
        names = self._models.names()
        if label.model is not None:
            return label.model
        if len(names) == 1:
            return names[0]
        if label.record_id:
            raise InvalidInput(f"prediction {label.prediction_id}: say which model the record {label.record_id} is for")
        return ""

    async def _publish(self, truth: GroundTruth) -> None:
        identity = derived_id(topics.GROUND_TRUTH, truth.prediction_id, truth.record_id, repr(truth.label))
        await self._producer.send(topics.GROUND_TRUTH, new_event("gateway", truth.prediction_id, truth, id=identity))

    async def _publish_batch(self, place: tuple[str, int], batch: GroundTruthBatch) -> None:
        said = hashlib.sha256()
        for row in zip(batch.prediction_ids, batch.record_ids, batch.labels, strict=True):
            said.update(repr(row).encode())
        identity = derived_id(topics.GROUND_TRUTH, *place, said.hexdigest())
        event = new_event("gateway", batch.prediction_ids[0], batch, id=identity)
        await self._producer.send(topics.GROUND_TRUTH, event, partition=place[1])


def _batches(truths: Sequence[GroundTruth], partitions: int) -> dict[tuple[str, int], GroundTruthBatch]:
    """Truths by model and by the partition of their predictions, as Kafka's default partitioner places them."""
    batches: dict[tuple[str, int], GroundTruthBatch] = {}
    for truth in truths:
        place = truth.pipeline, partition_of(truth.prediction_id, partitions)
        batch = batches.setdefault(place, GroundTruthBatch(pipeline=truth.pipeline))
        batch.prediction_ids.append(truth.prediction_id)
        batch.record_ids.append(truth.record_id)
        batch.labels.append(truth.label)
        batch.observed_at.append(truth.observed_at.ToMicroseconds())
    return batches


def _parse(body: bytes) -> list[Label]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None
    items = document if isinstance(document, list) else [document]
    if not 1 <= len(items) <= MAX_LABELS:
        raise InvalidInput(f"{len(items)} labels in one request; 1 to {MAX_LABELS} are taken")
    try:
        return _LABELS.validate_python(items)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"label {place}: {first['msg'].removeprefix('Value error, ')}") from None
