"""A block: predictions of one model version, one window and one partition, as columns.

It is the unit of stored state. Everything that is derived from its rows (counts, profile of inputs, truths) is in the
same value, so a crash never leaves a part of it behind.
"""

import json
import struct
from dataclasses import dataclass

import numpy as np
from tidemill.v1.profile_pb2 import DataProfile as ProfileMessage
from tidemill_stats import DataProfile, InvalidInput, from_proto, merge, to_proto
from tidemill_stats.arrays import FloatArray, IntArray

CAPACITY = 2048
NO_TRUTH = -1
_MAGIC = b"TMB1"
_HEAD = struct.Struct("<4sII")


@dataclass(frozen=True, order=True)
class WindowKey:
    """A window [start, start + length) of one model version; microseconds since the epoch."""

    model: str
    version: int
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True)
class Rows:
    """Predictions as columns: keys uint64 [n], event times int64 [n], outputs float32 [n, width] (NaN: no answer)."""

    keys: np.ndarray
    times: IntArray
    outputs: FloatArray

    def take(self, rows: np.ndarray) -> "Rows":
        """The rows of a mask or of indices."""
        return Rows(self.keys[rows], self.times[rows], self.outputs[rows])


class Block:
    """Up to `CAPACITY` predictions. `truth_offsets`: where in `ground-truth` each label stood; a later one corrects."""

    def __init__(self, window: WindowKey, number: int, width: int) -> None:
        self.window = window
        self.number = number
        self.rows = 0
        self.errors = 0
        self.offset = -1
        self.latest = np.iinfo(np.int64).min
        self.inputs: DataProfile | None = None
        self._keys = np.empty(0, dtype=np.uint64)
        self._outputs = np.empty((0, width), dtype=np.float32)
        self._labels = np.empty(0)
        self._truth_offsets = np.empty(0, dtype=np.int64)

    @property
    def room(self) -> int:
        """Rows that still fit."""
        return CAPACITY - self.rows

    @property
    def keys(self) -> np.ndarray:
        return self._keys[: self.rows]

    @property
    def outputs(self) -> FloatArray:
        return self._outputs[: self.rows].astype(np.float64)

    @property
    def labels(self) -> FloatArray:
        """Truths; NaN where none has come."""
        return self._labels[: self.rows]

    @property
    def labelled(self) -> int:
        return int(np.count_nonzero(self._truth_offsets[: self.rows] != NO_TRUTH))

    @property
    def truth_offset(self) -> int:
        """The last truth in it, -1 if none."""
        return int(self._truth_offsets[: self.rows].max(initial=NO_TRUTH))

    def append(self, rows: Rows, inputs: DataProfile | None, offset: int) -> int:
        """Add rows (at most `room`) that came at `offset` of `predictions`; the index of the first."""
        first, last = self.rows, self.rows + rows.keys.size
        self._reserve(last)
        self._keys[first:last] = rows.keys
        self._outputs[first:last] = rows.outputs
        self.rows = last
        self.errors += int(np.count_nonzero(np.all(np.isnan(rows.outputs), axis=1)))
        self.offset = max(self.offset, offset)
        self.latest = max(self.latest, int(rows.times.max()))
        if inputs is not None:
            self.inputs = inputs if self.inputs is None else merge(self.inputs, inputs)
        return first

    def truth_of(self, row: int) -> tuple[float, int]:
        """Label and offset of the truth of a row; the offset is -1 if there is none."""
        return float(self._labels[row]), int(self._truth_offsets[row])

    def set_truth(self, row: int, label: float, offset: int) -> bool:
        """Take a truth unless one of a later or the same offset is there: order and repetition do not matter."""
        if offset <= self._truth_offsets[row]:
            return False
        self._labels[row] = label
        self._truth_offsets[row] = offset
        return True

    def encode(self) -> bytes:
        """The block as bytes; `decode` reads them."""
        profile = to_proto(self.inputs).SerializeToString() if self.inputs is not None else b""
        head = json.dumps(
            {
                "model": self.window.model,
                "version": self.window.version,
                "start": self.window.start,
                "length": self.window.length,
                "number": self.number,
                "rows": self.rows,
                "width": self._outputs.shape[1],
                "errors": self.errors,
                "offset": self.offset,
                "latest": int(self.latest),
            }
        ).encode()
        columns = [
            self._keys[: self.rows].astype("<u8"),
            self._outputs[: self.rows].astype("<f4"),
            self._labels[: self.rows].astype("<f8"),
            self._truth_offsets[: self.rows].astype("<i8"),
        ]
        return b"".join(
            [_HEAD.pack(_MAGIC, len(head), len(profile)), head, profile, *(column.tobytes() for column in columns)]
        )

    @staticmethod
    def decode(data: bytes) -> "Block":
        """The block that `encode` wrote. Raises InvalidInput for anything else."""
        try:
            magic, head_size, profile_size = _HEAD.unpack_from(data)
            if magic != _MAGIC:
                raise InvalidInput(f"a block begins with {_MAGIC!r}, not {magic!r}")
            at = _HEAD.size
            head = json.loads(data[at : at + head_size])
            at += head_size
            profile = ProfileMessage.FromString(data[at : at + profile_size]) if profile_size else None
            window = WindowKey(head["model"], head["version"], head["start"], head["length"])
            block = Block(window, head["number"], head["width"])
            block.rows, block.errors = head["rows"], head["errors"]
            block.offset, block.latest = head["offset"], head["latest"]
            block.inputs = from_proto(profile) if profile is not None else None
            block._read_columns(data, at + profile_size)
        except (struct.error, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a block: {error!r}") from error
        return block

    def _reserve(self, rows: int) -> None:
        missing = max(rows, min(CAPACITY, 2 * self._keys.size)) - self._keys.size
        if rows <= self._keys.size:
            return
        width = self._outputs.shape[1]
        self._keys = np.append(self._keys, np.zeros(missing, dtype=np.uint64))
        self._outputs = np.append(self._outputs, np.full((missing, width), np.nan, dtype=np.float32), axis=0)
        self._labels = np.append(self._labels, np.full(missing, np.nan))
        self._truth_offsets = np.append(self._truth_offsets, np.full(missing, NO_TRUTH, dtype=np.int64))

    def _read_columns(self, data: bytes, at: int) -> None:
        self._reserve(self.rows)
        for column, kind in (
            (self._keys, "<u8"),
            (self._outputs, "<f4"),
            (self._labels, "<f8"),
            (self._truth_offsets, "<i8"),
        ):
            target = column[: self.rows]
            values = np.frombuffer(data, dtype=kind, count=target.size, offset=at)
            target[...] = values.reshape(target.shape)
            at += values.nbytes
