"""Prediction batches as arrays."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from tidemill.v1.prediction_pb2 import Column, PredictionBatch
from tidemill_stats import DataProfile, InvalidInput, profile_columns
from tidemill_stats.arrays import AnyArray, FloatArray

from tidemill_monitor.domain.block import Rows
from tidemill_monitor.domain.scoring import output_width
from tidemill_monitor.domain.watched import Watch


def prediction_key(prediction_id: str) -> int:
    """64 bits that stand for a prediction id: two of a million ids collide with a probability of 3e-8."""
    return int.from_bytes(blake2b(prediction_id.encode(), digest_size=8).digest(), "little")


def rows_of(watch: Watch, batch: PredictionBatch) -> Rows:
    """Keys, times and outputs of a batch. Raises InvalidInput when its columns contradict one another."""
    count = len(batch.prediction_ids)
    if len(batch.event_times) != count:
        raise InvalidInput(f"{count} prediction ids with {len(batch.event_times)} event times")
    keys = np.array([prediction_key(one) for one in batch.prediction_ids], dtype=np.uint64)
    times = np.array(batch.event_times, dtype=np.int64)
    return Rows(keys, times, _outputs(watch, batch, count))


def inputs_of(batch: PredictionBatch) -> dict[str, AnyArray]:
    """Input columns by name, each of shape [n]. Raises InvalidInput for another shape."""
    count = len(batch.prediction_ids)
    return {column.name: _values(column, count) for column in batch.inputs}


def profile_rows(
    inputs: dict[str, AnyArray], rows: AnyArray, reference: DataProfile, times: tuple[int, int]
) -> DataProfile:
    """Profile of some rows of a batch, binned as `reference`. Raises InvalidInput when a column is missing."""
    missing = reference.columns.keys() - inputs.keys()
    if missing:
        raise InvalidInput(f"inputs lack {', '.join(sorted(missing))}")
    columns = {name: inputs[name][rows] for name in reference.columns}
    return profile_columns(columns, reference=reference, times=times)


def _outputs(watch: Watch, batch: PredictionBatch, count: int) -> FloatArray:
    width = output_width(watch)
    if batch.error:
        return np.full((count, width), np.nan)
    columns = {column.name: column for column in batch.outputs}
    names = ["prediction"] if watch.classes is None else ["label", "probabilities"]
    parts = [_matrix(columns, name, count) for name in names]
    outputs = np.hstack(parts)
    if outputs.shape[1] != width:
        raise InvalidInput(f"{outputs.shape[1]} values in {' and '.join(names)} where {width} are expected")
    return outputs


def _matrix(columns: dict[str, Column], name: str, count: int) -> FloatArray:
    if name not in columns or columns[name].WhichOneof("values") != "numbers":
        raise InvalidInput(f"no numbers {name!r} in the outputs {sorted(columns)}")
    values = np.array(columns[name].numbers.values, dtype=np.float64)
    if count == 0 or values.size % count:
        raise InvalidInput(f"{values.size} values in output {name!r} of {count} predictions")
    return values.reshape(count, -1)


def _values(column: Column, count: int) -> AnyArray:
    values: AnyArray
    if column.WhichOneof("values") == "texts":
        texts: Iterable[str] = column.texts.values
        values = np.array(list(texts), dtype=object)
    else:
        values = np.array(column.numbers.values, dtype=np.float64)
    if values.shape != (count,):
        raise InvalidInput(f"{values.size} values in input {column.name!r} of {count} predictions")
    return values
