"""Data profiles as the protobuf message `tidemill.v1.DataProfile`."""

import numpy as np
from tidemill.v1 import profile_pb2

from tidemill_stats.distinct import DistinctSketch
from tidemill_stats.errors import InvalidInput
from tidemill_stats.kll import QuantileSketch
from tidemill_stats.moments import Moments
from tidemill_stats.profile import CategoricalProfile, ColumnProfile, DataProfile, NumericProfile


def to_proto(profile: DataProfile) -> profile_pb2.DataProfile:
    """The message that says the same as `profile`; columns sorted by name."""
    message = profile_pb2.DataProfile(
        rows=profile.rows, columns=[_column_to_proto(name, column) for name, column in profile.columns.items()]
    )
    if profile.from_time is not None:
        message.from_time.FromMicroseconds(profile.from_time)
    if profile.to_time is not None:
        message.to_time.FromMicroseconds(profile.to_time)
    return message


def from_proto(message: profile_pb2.DataProfile) -> DataProfile:
    """The profile that `message` says. Raises InvalidInput when it contradicts itself."""
    return DataProfile(
        rows=message.rows,
        columns={column.name: _column_from_proto(column) for column in message.columns},
        from_time=message.from_time.ToMicroseconds() if message.HasField("from_time") else None,
        to_time=message.to_time.ToMicroseconds() if message.HasField("to_time") else None,
    )


def _column_to_proto(name: str, column: ColumnProfile) -> profile_pb2.ColumnProfile:
    message = profile_pb2.ColumnProfile(name=name, missing=column.missing)
    if column.distinct is not None:
        message.distinct = column.distinct.registers.tobytes()
    if isinstance(column, CategoricalProfile):
        message.categorical.other = column.other
        message.categorical.counts.update(zip(column.categories, column.counts.tolist(), strict=True))
        return message
    message.infinite = column.infinite
    numeric = message.numeric
    numeric.edges.extend(column.edges.tolist())
    numeric.counts.extend(column.counts.tolist())
    numeric.mean, numeric.variance = column.moments.mean, column.moments.variance
    numeric.min, numeric.max = column.moments.minimum, column.moments.maximum
    if column.quantiles is not None:
        numeric.quantiles.k = column.quantiles.k
        for level in column.quantiles.levels:
            numeric.quantiles.levels.add().values.extend(level.tolist())
    return message


def _column_from_proto(message: profile_pb2.ColumnProfile) -> ColumnProfile:
    distinct = DistinctSketch(np.frombuffer(message.distinct, dtype=np.uint8)) if message.distinct else None
    match message.WhichOneof("values"):
        case "numeric":
            return _numeric_from_proto(message, distinct)
        case "categorical":
            counts = message.categorical.counts
            categories = tuple(sorted(counts))
            kept = np.array([counts[category] for category in categories], dtype=np.int64)
            return CategoricalProfile(categories, kept, message.categorical.other, message.missing, distinct)
        case _:
            raise InvalidInput(f"column {message.name!r} is neither numeric nor categorical")


def _numeric_from_proto(message: profile_pb2.ColumnProfile, distinct: DistinctSketch | None) -> NumericProfile:
    numeric = message.numeric
    quantiles = None
    if numeric.HasField("quantiles"):
        levels = tuple(np.array(level.values, dtype=np.float32) for level in numeric.quantiles.levels)
        quantiles = QuantileSketch(numeric.quantiles.k, levels)
    return NumericProfile(
        edges=np.array(numeric.edges, dtype=np.float64),
        counts=np.array(numeric.counts, dtype=np.int64),
        moments=Moments(sum(numeric.counts), numeric.mean, numeric.variance, numeric.min, numeric.max),
        missing=message.missing,
        infinite=message.infinite,
        quantiles=quantiles,
        distinct=distinct,
    )
