"""What the demo shows while it runs."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tidemill_local.demo.replay import Replay
from tidemill_local.demo.timeline import FIRST_PREDICTION
from tidemill_local.demo.watch import Watcher

STYLES = {
    "drift": "yellow",
    "trained": "cyan",
    "approved": "green",
    "rejected": "red",
    "release": "magenta",
    "swapped": "bold green",
}
SHOWN_MARKS = 12


class Dashboard:
    """A renderable that is made anew at every refresh."""

    def __init__(self, replay: Replay, watcher: Watcher, until: datetime) -> None:
        self._until = until
        self._replay = replay
        self._watcher = watcher

    def __rich__(self) -> RenderableType:
        return Group(self._clock(), self._numbers(), self._marks())

    def _clock(self) -> RenderableType:
        done = (self._replay.now - FIRST_PREDICTION) / (self._until - FIRST_PREDICTION)
        row = Table.grid(padding=(0, 2))
        state = "a model trains; the clock is slow" if self._watcher.retraining else ""
        row.add_row(
            Text(f"{self._replay.now:%d %B %Y}", style="bold"),
            ProgressBar(total=1, completed=min(1, done), width=50),
            Text(state, style="yellow"),
        )
        return row

    def _numbers(self) -> RenderableType:
        state = self._watcher.state
        table = Table.grid(padding=(0, 3))
        table.add_row(
            f"records {self._replay.records:,}",
            f"predictions {len(self._replay.predicted.flights):,}",
            f"truths {self._replay.truths:,}",
            f"data version {state.data_version} ({state.data_rows:,} rows)",
            f"serving version {state.champion}",
        )
        return table

    def _marks(self) -> RenderableType:
        lines = [
            Text.assemble(f"{_day(mark.at)}  ", (f"{mark.kind:<9}", STYLES[mark.kind]), mark.text[:110])
            for mark in self._watcher.state.marks[-SHOWN_MARKS:]
        ]
        return Panel(Group(*lines), title="the loop", title_align="left", border_style="dim")


def _day(moment: datetime) -> str:
    return f"{moment:%d %b}"
