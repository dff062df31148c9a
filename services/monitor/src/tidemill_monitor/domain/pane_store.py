"""What all partitions together know of a model, pane by pane, and up to when it is all there is to know."""

from collections.abc import Iterator
from dataclasses import dataclass

from tidemill.v1.monitoring_pb2 import PanePartial

from tidemill_monitor.domain.watched import Watch

SILENCE_WINDOWS = 3


@dataclass(frozen=True, order=True)
class Arm:
    """A version as it answers, or as it only watches."""

    version: int
    mirror: bool = False


@dataclass(frozen=True, order=True)
class PartialKey:
    """Whose words a partial is: a pane, an arm and a partition of the predictions. Microseconds since the epoch."""

    start: int
    length: int
    arm: Arm
    partition: int

    @staticmethod
    def of(partial: PanePartial) -> "PartialKey":
        return PartialKey(partial.start, partial.length, Arm(partial.version, partial.mirror), partial.partition)

    @property
    def end(self) -> int:
        return self.start + self.length


def answered(partial: PanePartial) -> int:
    """Rows with an answer."""
    return partial.total.predictions - partial.total.errors


class PaneStore:
    """The newest partial of each (pane, arm, partition) of one model, of `partitions` partitions.

    Panes of another length than the one in force (the pipeline file was changed) are not taken.
    """

    def __init__(self, watch: Watch, partitions: int) -> None:
        self.watch = watch
        self.partitions = partitions
        self._partials: dict[PartialKey, PanePartial] = {}
        self._by_start: dict[int, set[PartialKey]] = {}
        self._watermarks: dict[int, int] = {}
        self._floor: int | None = None

    def __len__(self) -> int:
        return len(self._partials)

    def put(self, partial: PanePartial) -> bool:
        """Take a partial unless a newer one is there or its pane is forgotten; whether it is kept."""
        watermark = self._watermarks.get(partial.partition, partial.watermark)
        self._watermarks[partial.partition] = max(watermark, partial.watermark)
        key = PartialKey.of(partial)
        known = self._partials.get(key)
        if known is not None and known.offset > partial.offset:
            return False
        if key.length != self.watch.pane or (self._floor is not None and key.end <= self._floor):
            return False
        self._partials[key] = partial
        self._by_start.setdefault(key.start, set()).add(key)
        return True

    @property
    def watermark(self) -> int | None:
        """Latest event time of any partition, None before the first partial."""
        return max(self._watermarks.values(), default=None)

    @property
    def complete_until(self) -> int | None:
        """Event time up to which every partition has been read.

        A partition that lags `SILENCE_WINDOWS` windows behind the furthest is taken to be silent and not waited for.
        """
        if self.watermark is None:
            return None
        silence = self.watermark - SILENCE_WINDOWS * self.watch.window
        if len(self._watermarks) < self.partitions:
            return silence
        return max(silence, min(self._watermarks.values()))

    @property
    def first(self) -> int | None:
        """Start of the oldest pane with rows."""
        return min(self._by_start, default=None)

    def first_from(self, at: int) -> int | None:
        """Start of the oldest pane with rows that starts at `at` or later."""
        return min((start for start in self._by_start if start >= at), default=None)

    @property
    def last(self) -> int | None:
        """Start of the newest pane with rows."""
        return max(self._by_start, default=None)

    def partials(self, start: int, end: int) -> Iterator[tuple[PartialKey, PanePartial]]:
        """Partials of the panes in [start, end), in one order whatever the order they came in."""
        for at in range(start, end, self.watch.pane):
            for key in sorted(self._by_start.get(at, ())):
                yield key, self._partials[key]

    def answered(self, start: int, end: int) -> int:
        """Rows in [start, end) whose answer was returned."""
        return sum(answered(partial) for key, partial in self.partials(start, end) if not key.arm.mirror)

    def answered_by_version(self, start: int, end: int) -> dict[int, int]:
        """The same by version that answered."""
        rows: dict[int, int] = {}
        for key, partial in self.partials(start, end):
            if not key.arm.mirror:
                rows[key.arm.version] = rows.get(key.arm.version, 0) + answered(partial)
        return rows

    def newest_label(self, until: int) -> int | None:
        """End of the newest pane, at most `until`, in which a label became known; None if none is known of."""
        length = self.watch.pane
        ends = [pane.start + length for one in self._partials.values() for pane in one.labels if pane.labelled]
        return max((min(end, until) for end in ends if end - length < until), default=None)

    def forget(self, before: int) -> list[PartialKey]:
        """Drop the panes that ended by `before`, now and if they come again; those dropped."""
        if self._floor is not None and before <= self._floor:
            return []
        self._floor = before
        length = self.watch.pane
        old = sorted(key for start, keys in self._by_start.items() if start + length <= before for key in keys)
        for key in old:
            del self._partials[key]
            self._by_start.pop(key.start, None)
        return old
