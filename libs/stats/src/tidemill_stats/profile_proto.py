"""Data profiles as the protobuf message `tidemill.v1.DataProfile`."""

import numpy as np
from tidemill.v1 import profile_pb2

from tidemill_stats.errors import InvalidInput
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
    if isinstance(column, CategoricalProfile):
        categorical = profile_pb2.CategoricalProfile(
            counts=dict(zip(column.categories, column.counts.tolist(), strict=True)), other=column.other
        )
        return profile_pb2.ColumnProfile(name=name, missing=column.missing, categorical=categorical)
    numeric = profile_pb2.NumericProfile(
        edges=column.edges.tolist(),
        counts=column.counts.tolist(),
        mean=column.moments.mean,
        variance=column.moments.variance,
        min=column.moments.minimum,
        max=column.moments.maximum,
    )
    return profile_pb2.ColumnProfile(name=name, missing=column.missing, numeric=numeric)


def _column_from_proto(message: profile_pb2.ColumnProfile) -> ColumnProfile:
    match message.WhichOneof("values"):
        case "numeric":
            numeric = message.numeric
            moments = Moments(sum(numeric.counts), numeric.mean, numeric.variance, numeric.min, numeric.max)
            return NumericProfile(np.array(numeric.edges), np.array(numeric.counts), moments, message.missing)
        case "categorical":
            counts = message.categorical.counts
            categories = tuple(sorted(counts))
            kept = np.array([counts[category] for category in categories], dtype=np.int64)
            return CategoricalProfile(categories, kept, message.categorical.other, message.missing)
        case _:
            raise InvalidInput(f"column {message.name!r} is neither numeric nor categorical")
