"""Tallies: integers that say everything kept of some rows, and add up exactly in any order."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from tidemill_stats.arrays import FloatArray, IntArray
from tidemill_stats.errors import InvalidInput

_HEAD = struct.Struct("<IIII")


@dataclass(frozen=True)
class Binned:
    """A whole number of each row, float64 [n], to be summed by the row's bin, int64 [n] (`bins` stands for none)."""

    bins: int
    places: IntArray
    values: FloatArray

    def take(self, rows: IntArray) -> Binned:
        return Binned(self.bins, self.places[rows], self.values[rows])

    def sums(self, segments: IntArray, count: int) -> IntArray:
        """The sums of each segment, shape [count, bins]; exact below 2^53."""
        width = self.bins + 1
        sums = np.bincount(segments * width + self.places, self.values, count * width)
        return sums.reshape(count, width)[:, :-1].astype(np.int64)


@dataclass(frozen=True)
class Facts:
    """What n rows count: the cells each is in, int64 [n, k] (`cells` stands for none); integers to sum, int64 [n, m];
    values whose range is kept, float64 [n, r] (NaN for none)."""

    cells: int
    codes: IntArray
    sums: IntArray
    values: FloatArray
    binned: Binned | None = None

    def take(self, rows: IntArray) -> Facts:
        """What the rows of these places count."""
        binned = self.binned.take(rows) if self.binned is not None else None
        return Facts(self.cells, self.codes[rows], self.sums[rows], self.values[rows], binned)

    def tallies(self, segments: IntArray, count: int) -> list[Tally]:
        """A tally of the rows of each segment; `segments`: 0..count - 1 for each row, at least one row each."""
        width = self.cells + 1
        counts = np.bincount((self.codes + segments[:, np.newaxis] * width).ravel(), minlength=count * width)
        order = np.argsort(segments, kind="stable")
        starts = np.searchsorted(segments[order], np.arange(count))
        sums, values = self.sums[order], self.values[order]
        empty = np.isnan(values)
        lows = np.minimum.reduceat(np.where(empty, np.inf, values), starts, axis=0)
        highs = np.maximum.reduceat(np.where(empty, -np.inf, values), starts, axis=0)
        totals = np.add.reduceat(sums, starts, axis=0)
        if self.binned is not None:
            totals = np.hstack([totals, self.binned.sums(segments, count)])
        return [
            Tally(one[:-1], total, low, high)
            for one, total, low, high in zip(counts.reshape(count, width), totals, lows, highs, strict=True)
        ]


@dataclass
class Tally:
    """Rows in each cell, int64 [cells]; sums, int64 [m]; range of each value, float64 [r], inf and -inf if none."""

    counts: IntArray
    sums: IntArray
    lows: FloatArray
    highs: FloatArray

    def copy(self) -> Tally:
        return Tally(self.counts.copy(), self.sums.copy(), self.lows.copy(), self.highs.copy())

    def add(self, other: Tally) -> None:
        """Take in the rows of another."""
        self.counts += other.counts
        self.sums += other.sums
        np.minimum(self.lows, other.lows, out=self.lows)
        np.maximum(self.highs, other.highs, out=self.highs)

    def subtract(self, other: Tally) -> None:
        """Leave out rows that were taken in; ranges stay."""
        self.counts -= other.counts
        self.sums -= other.sums

    def encode(self) -> bytes:
        """The tally as bytes, without its empty cells."""
        some = np.flatnonzero(self.counts)
        parts = [some.astype("<u4"), self.counts[some].astype("<i8"), self.sums.astype("<i8")]
        parts += [self.lows.astype("<f8"), self.highs.astype("<f8")]
        head = _HEAD.pack(self.counts.size, some.size, self.sums.size, self.lows.size)
        return head + b"".join(part.tobytes() for part in parts)

    @staticmethod
    def decode(data: bytes, at: int) -> tuple[Tally, int]:
        """The tally that `encode` wrote at a place, and the place after it. Raises InvalidInput for anything else."""
        try:
            cells, some, sums, ranges = _HEAD.unpack_from(data, at)
            parts = []
            at += _HEAD.size
            for kind, size in (("<u4", some), ("<i8", some), ("<i8", sums), ("<f8", ranges), ("<f8", ranges)):
                parts.append(np.frombuffer(data, dtype=kind, count=size, offset=at))
                at += parts[-1].nbytes
            counts = np.zeros(cells, dtype=np.int64)
            counts[parts[0]] = parts[1]
        except (struct.error, ValueError, IndexError) as error:
            raise InvalidInput(f"not a tally: {error!r}") from error
        return Tally(counts, parts[2].astype(np.int64), parts[3].astype(np.float64), parts[4].astype(np.float64)), at


def add_to(tallies: dict[int, Tally], key: int, more: Tally) -> None:
    """Add to the tally of a key, or begin it; `more` stays as it is."""
    if key in tallies:
        tallies[key].add(more)
    else:
        tallies[key] = more.copy()
