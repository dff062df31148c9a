"""Truths as columns, and what several truths of one prediction come to."""

from dataclasses import dataclass

import numpy as np
from tidemill_stats.arrays import BoolArray, FloatArray, HashArray, IntArray


@dataclass(frozen=True)
class Truths:
    """Truths in the order of their offsets; each array is of shape [n].

    `observed`: when each became known, microseconds since the epoch. `changes`: how often it had changed before.
    """

    keys: HashArray
    labels: FloatArray
    offsets: IntArray
    observed: IntArray
    changes: IntArray

    def take(self, rows: IntArray | BoolArray) -> "Truths":
        """The rows of these places or of a mask."""
        return Truths(self.keys[rows], self.labels[rows], self.offsets[rows], self.observed[rows], self.changes[rows])


@dataclass(frozen=True)
class Collapsed:
    """One truth for each of `places`, which are distinct and sorted: the last label and its offset, when the first one
    became known and what it was, and how often labels changed: before the first one (`earlier`) and in all."""

    places: IntArray
    labels: FloatArray
    offsets: IntArray
    observed: IntArray
    earlier: IntArray
    changes: IntArray
    first_labels: FloatArray


def collapse(truths: Truths, places: IntArray) -> Collapsed:
    """What the truths of each place come to; at least one truth."""
    order = np.lexsort((truths.offsets, places))
    ordered, at = truths.take(order), places[order]
    begins = np.flatnonzero(np.append(True, at[1:] != at[:-1]))
    ends = np.append(begins[1:], at.size) - 1
    changed = np.append(False, (ordered.labels[1:] != ordered.labels[:-1]) & (at[1:] == at[:-1]))
    earlier = np.add.reduceat(ordered.changes, begins)
    changes = earlier + np.add.reduceat(changed.astype(np.int64), begins)
    return Collapsed(
        at[begins],
        ordered.labels[ends],
        ordered.offsets[ends],
        ordered.observed[begins],
        earlier,
        changes,
        ordered.labels[begins],
    )
