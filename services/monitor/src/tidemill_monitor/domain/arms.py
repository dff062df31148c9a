"""Merged windows of every arm, kept until one of their panes changes."""

from collections.abc import Sequence

from tidemill_monitor.domain.merged import Merged, merge_all, merge_partials
from tidemill_monitor.domain.pane_store import Arm, PaneStore
from tidemill_monitor.domain.windows import Window


class Arms:
    """What each arm of a model says of its windows; without profiles, which take longest, unless `profiled`."""

    def __init__(self, panes: PaneStore, *, profiled: bool = True) -> None:
        self._panes = panes
        self._profiled = profiled
        self._kept: dict[tuple[Arm, int, int], tuple[object, Merged]] = {}

    def of(self, window: Window) -> list[Arm]:
        """The arms that have rows in a window, sorted."""
        return sorted({key.arm for key, _ in self._panes.partials(window.start, window.end)})

    def one(self, arm: Arm, window: Window) -> Merged:
        """An arm's window."""
        found = [item for item in self._panes.partials(window.start, window.end) if item[0].arm == arm]
        stamp = tuple((key.start, key.partition, partial.offset) for key, partial in found)
        kept = self._kept.get((arm, window.start, window.end))
        if kept is None or kept[0] != stamp:
            kept = stamp, merge_partials((partial for _, partial in found), profiled=self._profiled)
            self._kept[arm, window.start, window.end] = kept
        return kept[1]

    def many(self, arm: Arm, windows: Sequence[Window]) -> Merged:
        """An arm's windows together."""
        return merge_all(self.one(arm, window) for window in windows)

    def rows_by_pane(self, arm: Arm, window: Window) -> dict[int, int]:
        """Answered rows of an arm by the start of their pane."""
        rows: dict[int, int] = {}
        for key, partial in self._panes.partials(window.start, window.end):
            if key.arm == arm:
                rows[key.start] = rows.get(key.start, 0) + partial.total.predictions - partial.total.errors
        return rows

    def forget(self, before: int) -> None:
        """Drop what was kept of windows that ended by `before`."""
        for place in [place for place in self._kept if place[2] <= before]:
            del self._kept[place]
