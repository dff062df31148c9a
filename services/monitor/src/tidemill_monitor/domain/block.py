"""A block: predictions of one pane, as columns.

It is stored in two values. The first has the rows with all that was counted from their inputs, which are not kept; once
the block is full it never changes. The second has the labels.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tidemill_stats.arrays import AnyArray, BoolArray, FloatArray, IntArray
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.rows import KEPT, Kept
from tidemill_monitor.domain.tally import Tally, add_to

CAPACITY = 2048
NO_TRUTH = -1
WHOLE = -1
ALL = 0
_MAGIC = b"TMB3"
_HEAD = struct.Struct("<4sI")
_LABELS = ("labels", "truth_offsets", "observed", "changes")
_FILLS: Mapping[str, float] = {"labels": np.nan, "truth_offsets": NO_TRUTH}


@dataclass(frozen=True, order=True)
class Pane:
    """[start, start + length) of event time of one version as it answers, or watches; microseconds since the epoch."""

    model: str
    version: int
    mirror: bool
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


class Block:
    """Up to `CAPACITY` predictions. `truth_offsets`: where in `ground-truth` each label stood, NO_TRUTH if it has none;
    `observed`: when the first label became known; `changes`: how often it has changed."""

    def __init__(self, number: int, width: int, features: int) -> None:
        self.number = number
        self.rows = 0
        self.offset = -1
        self.tallies: dict[int, Tally] = {}
        self.violations: dict[str, int] = {}
        self.keys = np.empty(0, dtype=np.uint64)
        self.outputs = np.empty((0, width), dtype=np.float32)
        self.answered = np.empty(0, dtype=np.bool_)
        self.slices = np.empty((0, features), dtype=np.uint8)
        self.latencies = np.empty(0, dtype=np.float32)
        self.epochs = np.empty(0, dtype=np.int64)
        self.units = np.empty(0, dtype=np.uint64)
        self.labels = np.empty(0)
        self.truth_offsets = np.empty(0, dtype=np.int64)
        self.observed = np.empty(0, dtype=np.int64)
        self.changes = np.empty(0, dtype=np.uint16)

    @property
    def room(self) -> int:
        """Rows that still fit."""
        return CAPACITY - self.rows

    @property
    def labelled(self) -> BoolArray:
        """Which rows have a label."""
        labelled: BoolArray = self.truth_offsets[: self.rows] != NO_TRUTH
        return labelled

    def append(self, kept: Kept, offset: int) -> int:
        """Add rows (at most `room`), the last of which came at `offset`; the place of the first."""
        first, last = self.rows, self.rows + kept.keys.size
        self._reserve(last)
        for name in KEPT:
            getattr(self, name)[first:last] = getattr(kept, name)
        self.rows = last
        self.offset = max(self.offset, offset)
        return first

    def kept(self, rows: IntArray | slice) -> Kept:
        """What is kept of some rows."""
        return Kept(*(getattr(self, name)[rows] for name in KEPT))

    def count(self, key: int, tally: Tally) -> None:
        """Add what rows count to ALL, to WHOLE or to a slice."""
        add_to(self.tallies, key, tally)

    def label(
        self, rows: IntArray, labels: FloatArray, offsets: IntArray, observed: IntArray, changes: IntArray
    ) -> None:
        """Set the labels of distinct rows."""
        self.labels[rows] = labels
        self.truth_offsets[rows] = offsets
        self.observed[rows] = observed
        self.changes[rows] = changes

    def forget_counts(self) -> None:
        """Drop what is needed only to store the rows again: the block is full and stored."""
        self.tallies, self.violations = {}, {}

    def encode_rows(self, layout: str) -> bytes:
        """The rows as bytes; `decode_rows` reads them."""
        head = {
            "layout": layout,
            "number": self.number,
            "rows": self.rows,
            "width": self.outputs.shape[1],
            "features": self.slices.shape[1],
            "offset": self.offset,
            "tallies": sorted(self.tallies),
            "violations": self.violations,
        }
        text = json.dumps(head).encode()
        columns = [getattr(self, name)[: self.rows].tobytes() for name in KEPT]
        tallies = [self.tallies[key].encode() for key in sorted(self.tallies)]
        return b"".join([_HEAD.pack(_MAGIC, len(text)), text, *columns, *tallies])

    @staticmethod
    def decode_rows(data: bytes, layout: str) -> "Block":
        """The block that `encode_rows` wrote in the same layout. Raises InvalidInput for anything else."""
        try:
            magic, size = _HEAD.unpack_from(data)
            if magic != _MAGIC:
                raise InvalidInput(f"a block begins with {_MAGIC!r}, not {magic!r}")
            at = _HEAD.size + size
            head = json.loads(data[_HEAD.size : at])
            if head["layout"] != layout:
                raise InvalidInput(f"a block of layout {head['layout']} where {layout} is expected")
            block = Block(head["number"], head["width"], head["features"])
            block._reserve(head["rows"])
            block.rows, block.offset, block.violations = head["rows"], head["offset"], head["violations"]
            for name in KEPT:
                at = _read(getattr(block, name)[: block.rows], data, at)
            for key in head["tallies"]:
                block.tallies[key], at = Tally.decode(data, at)
        except (struct.error, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a block: {error!r}") from error
        return block

    def encode_labels(self) -> bytes:
        """The labels as bytes, without the rows that have none; `decode_labels` reads them."""
        rows = np.flatnonzero(self.labelled)
        columns: list[AnyArray] = [self.labels[rows], self.truth_offsets[rows], self.observed[rows], self.changes[rows]]
        return b"".join(
            [_HEAD.pack(_MAGIC, rows.size), rows.astype(np.uint16).tobytes(), *(one.tobytes() for one in columns)]
        )

    def decode_labels(self, data: bytes) -> None:
        """Set the labels that `encode_labels` wrote. Raises InvalidInput for anything else."""
        try:
            magic, count = _HEAD.unpack_from(data)
            at = _HEAD.size
            columns: list[Any] = []
            for kind in (np.uint16, np.float64, np.int64, np.int64, np.uint16):
                columns.append(np.frombuffer(data, dtype=kind, count=count, offset=at))
                at += columns[-1].nbytes
            if magic != _MAGIC or (count and int(columns[0].max()) >= self.rows):
                raise InvalidInput("labels of another block")
        except (struct.error, ValueError) as error:
            raise InvalidInput(f"not labels of a block: {error!r}") from error
        self.label(columns[0].astype(np.int64), *columns[1:])

    def _reserve(self, rows: int) -> None:
        held = self.keys.size
        if rows <= held:
            return
        size = min(CAPACITY, max(rows, 2 * held, 16))
        for name in (*KEPT, *_LABELS):
            column = getattr(self, name)
            grown = np.full((size, *column.shape[1:]), _FILLS.get(name, 0), dtype=column.dtype)
            grown[:held] = column
            setattr(self, name, grown)


def _read(target: np.ndarray, data: bytes, at: int) -> int:
    values = np.frombuffer(data, dtype=target.dtype, count=target.size, offset=at)
    target[...] = values.reshape(target.shape)
    return at + values.nbytes
