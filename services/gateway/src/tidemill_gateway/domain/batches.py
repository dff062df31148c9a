"""Logged predictions as `PredictionBatch` messages: columns, one message per partition, version, role and outcome."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tidemill.v1.prediction_pb2 import ArmRole, Column, PredictionBatch

from tidemill_gateway.domain.ids import row_ids
from tidemill_gateway.domain.tensors import BYTES, Tensor, to_numbers, to_texts

MAX_BATCH_ROWS = 500


@dataclass(frozen=True)
class LoggedPrediction:
    """One answered (or failed) request."""

    model: str
    version: int
    role: ArmRole
    prediction_id: str
    rows: int
    event_time: int
    latency: float
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    epoch: int
    error: str = ""


@dataclass(frozen=True)
class PlacedBatch:
    """A batch and the partition of all its prediction ids."""

    partition: int
    batch: PredictionBatch


@dataclass(frozen=True)
class _Values:
    name: str
    is_text: bool
    width: int
    values: Sequence[float] | Sequence[str]


def batches(predictions: Iterable[LoggedPrediction], partition_of: Callable[[str], int]) -> Iterator[PlacedBatch]:
    """The predictions' rows as batches of at most 500; `partition_of` places a row by its prediction id."""
    open_batches: dict[tuple[object, ...], PlacedBatch] = {}
    for prediction in predictions:
        inputs = [_values(tensor) for tensor in prediction.inputs]
        outputs = [_values(tensor) for tensor in prediction.outputs]
        form = tuple((column.name, column.is_text, column.width) for column in (*inputs, *outputs))
        for row, row_id in enumerate(row_ids(prediction.prediction_id, prediction.rows)):
            partition = partition_of(row_id)
            same = (prediction.model, prediction.version, prediction.role, prediction.epoch, prediction.error)
            key = (partition, same, form)
            placed = open_batches.get(key)
            if placed is None:
                placed = open_batches[key] = PlacedBatch(partition, _start(prediction, inputs, outputs))
            _append(placed.batch, prediction, row_id, row, inputs, outputs)
            if len(placed.batch.prediction_ids) >= MAX_BATCH_ROWS:
                yield open_batches.pop(key)
    yield from open_batches.values()


def _start(prediction: LoggedPrediction, inputs: Sequence[_Values], outputs: Sequence[_Values]) -> PredictionBatch:
    return PredictionBatch(
        model=prediction.model,
        version=prediction.version,
        role=prediction.role,
        error=prediction.error,
        epoch=prediction.epoch,
        inputs=[_empty(values) for values in inputs],
        outputs=[_empty(values) for values in outputs],
    )


def _empty(values: _Values) -> Column:
    column = Column(name=values.name)
    if values.is_text:
        column.texts.SetInParent()
    else:
        column.numbers.width = values.width
    return column


def _append(
    batch: PredictionBatch,
    prediction: LoggedPrediction,
    row_id: str,
    row: int,
    inputs: Sequence[_Values],
    outputs: Sequence[_Values],
) -> None:
    batch.prediction_ids.append(row_id)
    batch.event_times.append(prediction.event_time)
    batch.latencies.append(prediction.latency)
    for columns, values in ((batch.inputs, inputs), (batch.outputs, outputs)):
        for column, source in zip(columns, values, strict=True):
            part = source.values[row * source.width : (row + 1) * source.width]
            if source.is_text:
                column.texts.values.extend(part)  # type: ignore[arg-type]
            else:
                column.numbers.values.extend(part)  # type: ignore[arg-type]


def _values(tensor: Tensor) -> _Values:
    width = tensor.shape[1] if len(tensor.shape) > 1 else 1
    if tensor.datatype == BYTES:
        return _Values(tensor.name, True, width, to_texts(tensor))
    return _Values(tensor.name, False, width, to_numbers(tensor))
