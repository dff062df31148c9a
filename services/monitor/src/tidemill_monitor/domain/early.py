"""Truths that came before their prediction: kept until it comes, or until it can no longer come."""

from collections.abc import Iterator

import numpy as np
from tidemill_stats.arrays import BoolArray, HashArray
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.truths import Truths, collapse

BUCKETS = 16
_ENTRY = np.dtype([("key", "<u8"), ("label", "<f8"), ("offset", "<i8"), ("observed", "<i8"), ("changes", "<i8")])


class EarlyTruths:
    """Truths of one model by prediction key, at most `limit`.

    They are stored in `BUCKETS` values, so that one more truth does not rewrite them all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries = np.empty(0, dtype=_ENTRY)
        self._dirty = np.zeros(BUCKETS, dtype=np.bool_)

    def __len__(self) -> int:
        return self._entries.size

    def add(self, truths: Truths) -> int:
        """Keep truths unless later ones of the same predictions are there; the number of old ones given up for them."""
        places = self._find(truths.keys)
        known = places >= 0
        newer = ~known
        newer[known] = truths.offsets[known] > self._entries["offset"][places[known]]
        truths = truths.take(newer)
        if not truths.keys.size:
            return 0
        self._put(truths)
        if self._entries.size <= self._limit:
            return 0
        oldest = np.argsort(self._entries["offset"], kind="stable")[: self._entries.size - self._limit]
        given_up = np.zeros(self._entries.size, dtype=np.bool_)
        given_up[oldest] = True
        return self._drop(given_up)

    def take(self, keys: HashArray) -> Truths:
        """Remove and return the truths of some predictions."""
        if not self._entries.size or not keys.size:
            return _truths(self._entries[:0])
        wanted = np.isin(self._entries["key"], keys)
        taken = self._entries[wanted]
        self._drop(wanted)
        return _truths(taken)

    def take_all(self) -> Truths:
        """Remove and return all."""
        taken = self._entries
        self._drop(np.ones(taken.size, dtype=np.bool_))
        return _truths(taken)

    def expire(self, before: int) -> int:
        """Give up truths observed before this event time; how many."""
        return self._drop(self._entries["observed"] < before)

    def take_changes(self) -> Iterator[tuple[int, bytes | None]]:
        """Each bucket changed since the last call with its bytes, None if it is empty now."""
        changed, self._dirty = self._dirty, np.zeros(BUCKETS, dtype=np.bool_)
        buckets = self._entries["key"] % np.uint64(BUCKETS)
        for bucket in np.flatnonzero(changed).tolist():
            yield bucket, self._entries[buckets == bucket].tobytes() or None

    def restore(self, data: bytes) -> None:
        """Add the entries of a stored bucket. Raises InvalidInput when it is none."""
        if len(data) % _ENTRY.itemsize:
            raise InvalidInput(f"{len(data)} bytes are no bucket of early truths")
        self._entries = np.concatenate([self._entries, np.frombuffer(data, dtype=_ENTRY)])

    def _put(self, truths: Truths) -> None:
        more = np.empty(truths.keys.size, dtype=_ENTRY)
        more["key"], more["label"], more["offset"] = truths.keys, truths.labels, truths.offsets
        more["observed"], more["changes"] = truths.observed, truths.changes
        together = _truths(np.concatenate([self._entries, more]))
        distinct, places = np.unique(together.keys, return_inverse=True)
        one = collapse(together, places)
        self._entries = np.empty(distinct.size, dtype=_ENTRY)
        self._entries["key"], self._entries["label"], self._entries["offset"] = distinct, one.labels, one.offsets
        self._entries["observed"], self._entries["changes"] = one.observed, one.changes
        self._touch(truths.keys)

    def _find(self, keys: HashArray) -> np.ndarray:
        """Place of each key among the entries, -1 for none."""
        order = np.argsort(self._entries["key"], kind="stable")
        known = self._entries["key"][order]
        if not known.size:
            return np.full(keys.size, -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(known, keys), known.size - 1)
        return np.where(known[at] == keys, order[at], -1)

    def _drop(self, some: BoolArray) -> int:
        count = int(np.count_nonzero(some))
        if count:
            self._touch(self._entries["key"][some])
            self._entries = self._entries[~some]
        return count

    def _touch(self, keys: HashArray) -> None:
        self._dirty[(keys % np.uint64(BUCKETS)).astype(np.int64)] = True


def _truths(entries: np.ndarray) -> Truths:
    return Truths(entries["key"], entries["label"], entries["offset"], entries["observed"], entries["changes"])
