"""What a monitor sees when a window is judged."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tidemill_stats.effects import SCALES
from tidemill_stats.reference import DesignEffects, Reference

from tidemill_monitor.domain.arms import Arms
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.merged import Merged, Part
from tidemill_monitor.domain.pane_store import Arm, PaneStore
from tidemill_monitor.domain.watched import Version, Watch
from tidemill_monitor.domain.windows import Window

BEFORE = 16
MIN_ROWS = 30


@dataclass
class Lookback:
    """The answering version's windows, merged over any number of the last ones."""

    arms: Arms
    version: int
    windows: tuple[Window, ...]
    _merged: dict[tuple[int, int], Merged] = field(default_factory=dict)

    def merged(self, first: int, last: int) -> Merged:
        """Windows number `first` to before `last`, the oldest is 0."""
        key = first, last
        if key not in self._merged:
            self._merged[key] = self.arms.many(Arm(self.version), self.windows[first:last])
        return self._merged[key]


@dataclass(frozen=True)
class Context:
    """A window of the answering version, with those before it; `slice` names a part of its rows, empty for all.

    `known_at`: event time up to which labels count. `first_until`: end of the version's first windows. `data`: event
    times up to which the known data versions reach. `detections`: what the online detector said of the window.
    """

    watch: Watch
    version: Version
    panes: PaneStore
    lookback: Lookback
    known_at: int
    first_until: int = 0
    data: Sequence[int] = ()
    slice: str = ""
    detections: Sequence[Exhibit] = ()

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.lookback.windows

    @property
    def window(self) -> Window:
        """The window that is judged."""
        return self.windows[-1]

    @property
    def reference(self) -> Reference | None:
        return self.version.reference

    def effects(self, scale: int) -> DesignEffects:
        """How many live rows carry the information of one independent row."""
        return self.reference.effects(scale) if self.reference is not None else DesignEffects(1, 0, {})

    @property
    def scales(self) -> list[int]:
        """Over how many of the last windows to test, as far as there are as many."""
        return sorted({min(scale, len(self.windows)) for scale in SCALES})

    def merged(self, scale: int) -> Merged:
        """The last `scale` windows together."""
        return self.lookback.merged(len(self.windows) - scale, len(self.windows))

    def part(self, scale: int) -> Part:
        """The same, of the slice."""
        return self.merged(scale).part(self.slice)

    def before(self, scale: int, most: int = BEFORE) -> Part:
        """The slice's rows in the (at most) `most` windows before the last `scale`."""
        end = len(self.windows) - scale
        return self.lookback.merged(max(0, end - most), end).part(self.slice) if end > 0 else Part()

    def each(self, first: int, last: int) -> Iterable[Merged]:
        """The windows number `first` to before `last`, one by one."""
        return (self.lookback.merged(number, number + 1) for number in range(first, last))
