"""Truths that came before their prediction: kept until it comes, or until it can no longer come."""

import struct
from collections.abc import Iterator

from tidemill_stats import InvalidInput

BUCKETS = 16
_ENTRY = struct.Struct("<Qdqq")


class EarlyTruths:
    """Truths of one model by prediction key, at most `limit`; `observed`: event time in microseconds.

    They are stored in `BUCKETS` values, so that one more truth does not rewrite them all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[int, tuple[float, int, int]] = {}
        self._dirty: set[int] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, key: int, label: float, offset: int, observed: int) -> int:
        """Keep a truth unless a later one of the same prediction is there; the number of old ones given up for it."""
        known = self._entries.get(key)
        if known is not None and known[1] >= offset:
            return 0
        self._entries.pop(key, None)
        self._entries[key] = (label, offset, observed)
        self._dirty.add(key % BUCKETS)
        if len(self._entries) <= self._limit:
            return 0
        self._remove(next(iter(self._entries)))
        return 1

    def pop(self, key: int) -> tuple[float, int] | None:
        """Label and offset of the truth of a prediction that has come, None if there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._remove(key)
        return entry[0], entry[1]

    def expire(self, before: int) -> int:
        """Give up truths observed before this event time; how many."""
        old = [key for key, (_, _, observed) in self._entries.items() if observed < before]
        for key in old:
            self._remove(key)
        return len(old)

    def take_changes(self) -> Iterator[tuple[int, bytes | None]]:
        """Each bucket changed since the last call with its bytes, None if it is empty now."""
        changed, self._dirty = self._dirty, set()
        contents: dict[int, list[bytes]] = {bucket: [] for bucket in changed}
        for key, entry in self._entries.items() if changed else ():
            if key % BUCKETS in changed:
                contents[key % BUCKETS].append(_ENTRY.pack(key, *entry))
        for bucket in sorted(contents):
            yield bucket, b"".join(contents[bucket]) or None

    def restore(self, data: bytes) -> None:
        """Add the entries of a stored bucket. Raises InvalidInput when it is none."""
        if len(data) % _ENTRY.size:
            raise InvalidInput(f"{len(data)} bytes are no bucket of early truths")
        for key, label, offset, observed in _ENTRY.iter_unpack(data):
            self._entries[key] = (label, offset, observed)

    def _remove(self, key: int) -> None:
        del self._entries[key]
        self._dirty.add(key % BUCKETS)
