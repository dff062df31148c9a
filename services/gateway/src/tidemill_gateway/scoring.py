"""Predictions asked for on the topic `requests`: their answers are on `predictions`, like all others."""

import numpy as np
from tidemill.v1.prediction_pb2 import Column, PredictionRequest
from tidemill_contracts.manifest import TensorSpec
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import Event

from tidemill_gateway.adapters.inference import EVENT_TIME, PREDICTION_ID, PROTOCOL, Inference
from tidemill_gateway.domain.json_values import pack
from tidemill_gateway.domain.tensors import BFLOAT16, BYTES, FLOATS, NUMPY_TYPES, Tensor, bfloat16_of
from tidemill_gateway.prediction_log import PredictionLog
from tidemill_gateway.serving import ServedModels


class Scoring:
    """Answers requests; the event's id is the prediction id, so that a replay repeats its predictions."""

    def __init__(self, models: ServedModels, inference: Inference, prediction_log: PredictionLog) -> None:
        self._models = models
        self._inference = inference
        self._log = prediction_log

    async def on_request(self, event: Event[PredictionRequest]) -> None:
        """Predict the rows; returns when the brokers have the predictions.

        Raises NotFound and InvalidInput for a request that cannot be answered, Unavailable to be called again.
        """
        asked = event.data
        signature = self._models.get(asked.model).champion.signature
        given = {column.name: column for column in asked.inputs}
        if unknown := sorted(set(given) - {spec.name for spec in signature.inputs}):
            raise InvalidInput(f"unknown input {unknown[0]!r}")
        rows = max((_rows(column) for column in asked.inputs), default=0)
        inputs = [tensor_of(spec, given.get(spec.name), rows) for spec in signature.inputs]
        metadata = {PROTOCOL: "kafka", PREDICTION_ID: event.id}
        if asked.HasField("event_time"):
            metadata[EVENT_TIME] = str(asked.event_time.ToMicroseconds())
        if event.traceparent:
            metadata["traceparent"] = event.traceparent
        await self._inference.infer(asked.model, inputs, metadata)
        await self._log.flush()


def tensor_of(spec: TensorSpec, column: Column | None, rows: int) -> Tensor:
    """A column's values as the input `spec`; without a column, all are missing. InvalidInput if it does not fit."""
    count = rows * spec.width
    shape = (rows, *spec.shape[1:])
    if spec.datatype == BYTES:
        texts = list(column.texts.values) if column is not None else [""] * count
        if len(texts) != count or (column is not None and not column.HasField("texts")):
            raise InvalidInput(f"input {spec.name!r}: {count} texts are expected")
        return Tensor(spec.name, spec.datatype, shape, pack(spec.name, spec.datatype, texts))
    numbers = np.array(column.numbers.values if column is not None else [np.nan] * count, dtype=np.float64)
    if numbers.size != count or (column is not None and not column.HasField("numbers")):
        raise InvalidInput(f"input {spec.name!r}: {count} numbers are expected")
    if spec.datatype not in FLOATS:
        if not (np.isfinite(numbers) & (numbers == np.rint(numbers))).all():
            raise InvalidInput(f"input {spec.name!r}: a value is missing or no whole number")
        whole = [int(number) for number in numbers.tolist()]
        return Tensor(spec.name, spec.datatype, shape, pack(spec.name, spec.datatype, whole))
    with np.errstate(over="ignore"):
        if spec.datatype == BFLOAT16:
            return Tensor(spec.name, spec.datatype, shape, bfloat16_of(numbers.astype(np.float32)))
        return Tensor(spec.name, spec.datatype, shape, numbers.astype(NUMPY_TYPES[spec.datatype]).tobytes())


def _rows(column: Column) -> int:
    if column.HasField("texts"):
        return len(column.texts.values)
    return len(column.numbers.values) // max(column.numbers.width, 1)
