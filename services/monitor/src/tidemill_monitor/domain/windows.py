"""Windows: runs of complete panes, closed by enough rows or enough time, whichever comes first."""

from dataclasses import dataclass

from tidemill_monitor.domain.pane_store import PaneStore
from tidemill_monitor.domain.watched import Watch

MOST_EMPTY = 32


@dataclass(frozen=True, order=True)
class Window:
    """[start, end) in microseconds of event time since the epoch, of `rows` answered rows of all versions."""

    start: int
    end: int
    rows: int

    @property
    def length(self) -> int:
        return self.end - self.start


def closed_windows(panes: PaneStore, start: int | None, until: int) -> list[Window]:
    """The windows that close when all panes that end by `until` are complete.

    The first one starts at `start` (None: with the oldest pane known). A window closes with the pane at which it has
    `monitors.rows` answered rows, or when it has lasted `monitors.window`; panes without rows count as time. So the
    bounds depend on the panes alone, and a window that is closed stays as it is, whatever comes late.
    Of a longer time without rows only the last `MOST_EMPTY` windows are made: nothing looks further back.
    """
    at = panes.first if start is None else start
    found: list[Window] = []
    if at is None:
        return found
    at += -at % panes.watch.pane
    begin, end, rows = at, at, 0
    while end + panes.watch.pane <= until:
        if end == begin:
            begin = end = end + _passed_over(panes, end, until)
        end += panes.watch.pane
        rows += panes.answered(end - panes.watch.pane, end)
        if rows >= panes.watch.monitors.rows or end - begin >= panes.watch.window:
            found.append(Window(begin, end, rows))
            begin, rows = end, 0
    return found


def _passed_over(panes: PaneStore, at: int, until: int) -> int:
    """How long the time without rows from `at` on is, in whole windows, but for the last `MOST_EMPTY` of them."""
    following = panes.first_from(at)
    empty = (until if following is None else min(until, following)) - at
    return max(0, empty // panes.watch.window - MOST_EMPTY) * panes.watch.window


def maturity(watch: Watch, window: Window) -> int:
    """Event time at which a window's performance is judged, at the end of a pane: when most truths have come."""
    due = window.end + watch.maturity
    return due + -due % watch.pane
