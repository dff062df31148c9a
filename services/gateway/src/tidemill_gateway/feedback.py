"""Labels that callers bring back, to the topic `ground-truth`."""

import asyncio
import math
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_contracts import topics
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
    label: Annotated[float, BeforeValidator(_number)]
    record_id: Id | None = None
    model: Id | None = None
    observed_at: str | int | None = None


_LABELS = TypeAdapter(list[Label])


class Feedback:
    """Takes labels and publishes them."""

    def __init__(self, models: ServedModels, producer: Producer) -> None:
        self._models = models
        self._producer = producer

    async def take(self, body: bytes) -> int:
        """Publish the label or labels of a JSON body; returns their number once the brokers have acknowledged all.

        The same label sent again is the same event. Raises InvalidInput, which names the row, and Unavailable.
        """
        truths = [self._truth(label) for label in _parse(body)]
        await asyncio.gather(*(self._publish(truth) for truth in truths))
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
