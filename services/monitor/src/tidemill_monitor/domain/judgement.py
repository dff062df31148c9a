"""Judges each window of a model when it is complete, and its performance when most truths have come."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidemill.v1 import monitoring_pb2 as pb

from tidemill_monitor.domain.arms import Arms
from tidemill_monitor.domain.context import Context, Lookback
from tidemill_monitor.domain.finding import MutedBy, Outcome, weigh
from tidemill_monitor.domain.levels import monitors_on
from tidemill_monitor.domain.monitors.detector import feed
from tidemill_monitor.domain.monitors.promise import promise
from tidemill_monitor.domain.monitors.staleness import ages
from tidemill_monitor.domain.monitors.table import Monitor
from tidemill_monitor.domain.pane_store import PaneStore
from tidemill_monitor.domain.state import STAGES, ModelState, Stage
from tidemill_monitor.domain.watched import Catalogue, Version, Watch
from tidemill_monitor.domain.windows import Window, closed_windows, maturity

TAKEOVER_SHARE = 2 / 3
SLICES_SHARE = 0.5


@dataclass(frozen=True)
class Judged:
    """One stage of one window: what each monitor that had something to say found.

    `ages`: of the model, the data and the labels in microseconds of event time, None where unknown. `promised`: the
    loss on the version's test rows.
    """

    stage: Stage
    window: Window
    version: int
    outcomes: tuple[Outcome, ...] = ()
    ages: Mapping[str, int | None] = field(default_factory=dict)
    promised: float | None = None

    @property
    def alarms(self) -> list[tuple[pb.DriftDetected, str]]:
        """Each alarm, and the id of the response that mutes it or empty."""
        return [(one.alarm, one.muted_by) for one in self.outcomes if one.alarm is not None]


def no_data() -> Sequence[int]:
    """Nothing is known of data versions."""
    return ()


def nothing_mutes(alarm: pb.DriftDetected) -> str:
    """Nobody has answered to any alarm."""
    return ""


@dataclass
class Judge:
    """Judges the windows of one model from its panes; what it remembers is in the state it is given."""

    watch: Watch
    panes: PaneStore
    catalogue: Catalogue
    newest_data: Callable[[], Sequence[int]] = no_data
    mutes: MutedBy = nothing_mutes
    arms: Arms = field(init=False)

    def __post_init__(self) -> None:
        self.arms = Arms(self.panes)

    def judge(self, state: ModelState) -> tuple[ModelState, list[Judged]]:
        """The state after every window that has become due, in the order of their due times, and what was found.

        Inputs are due `lateness` after a window's end, performance when most of its truths have come. A version is
        judged on its own rows, from the window on in which it took over: with two thirds of the answers. A window of a
        version whose approval is not known yet, and those after it, wait.
        """
        complete = self.panes.complete_until
        if complete is None:
            return state, []
        state = state.with_windows(closed_windows(self.panes, state.next_start, complete - self.watch.lateness))
        judged: list[Judged] = []
        for stage, window in list(self._due(state, complete)):
            if stage == "inputs":
                state = self._take_over(state, window)
                skew = self.watch.monitors.data_skew
                state = state.with_first(window, skew.windows) if skew else state
            number = self._answering(state, window)
            version = self.catalogue.version(self.watch.model, number)
            if version is None and number:
                break
            state, one = self._judge(state, stage, window, version)
            judged.append(one)
        return state.without_old(), judged

    def keep_from(self, state: ModelState) -> int | None:
        """Event time before which no pane is needed; None before the first window."""
        complete = self.panes.complete_until
        if complete is None or not state.windows:
            return None
        spans = state.windows[-1].end - 10 * self.watch.window
        labels = complete - self.watch.label_expiry - self.watch.window
        return min(state.windows[0].start, spans, labels)

    def forget(self, before: int) -> None:
        """Drop what was merged of windows that ended by `before`."""
        self.arms.forget(before)

    def _due(self, state: ModelState, complete: int) -> Iterator[tuple[Stage, Window]]:
        due = [
            (at, order, stage, window)
            for order, stage in enumerate(STAGES)
            for window in state.windows
            if state.waits(stage, window)
            and (at := window.end + self.watch.lateness if stage == "inputs" else maturity(self.watch, window))
            <= complete
        ]
        return ((stage, window) for _, _, stage, window in sorted(due, key=lambda one: (one[0], one[1], one[3])))

    def _take_over(self, state: ModelState, window: Window) -> ModelState:
        """The state with the version that answers now."""
        rows = {v: n for v, n in self.panes.answered_by_version(window.start, window.end).items() if n}
        if not rows:
            return state
        leader = max(rows, key=lambda version: (rows[version], version))
        enough = rows[leader] >= TAKEOVER_SHARE * sum(rows.values()) or not rows.get(state.version)
        return state.taken_over(leader, window) if leader != state.version and enough else state

    def _answering(self, state: ModelState, window: Window) -> int:
        """The version a window is told of: before a takeover the one with most answers, whose labels come after it."""
        rows = self.panes.answered_by_version(window.start, window.end) if window.start < state.since else {}
        return max(rows, key=lambda version: (rows[version], version), default=state.version)

    def _judge(
        self, state: ModelState, stage: Stage, window: Window, version: Version | None
    ) -> tuple[ModelState, Judged]:
        known_at = maturity(self.watch, window)
        outcomes: list[Outcome] = []
        old: Mapping[str, int | None] = {}
        promised = promise(version, self.watch.loss) if version is not None else None
        windows = state.versions_windows(window)
        if version is not None and windows and windows[-1] == window:
            lookback = Lookback(self.arms, version.number, windows)
            context = Context(
                self.watch, version, self.panes, lookback, known_at, state.first_until, self.newest_data()
            )
            state, outcomes = self._weigh_all(state, stage, context)
            old = ages(context) if stage == "inputs" else {}
        mean = promised.mean if promised is not None and windows else None
        number = state.version if version is None else version.number
        judged = Judged(stage, window, number, tuple(outcomes), old, mean)
        return state.judged(stage, window), judged

    def _weigh_all(self, state: ModelState, stage: Stage, context: Context) -> tuple[ModelState, list[Outcome]]:
        outcomes: list[Outcome] = []
        for monitor, rule, level in monitors_on(self.watch, context.window):
            if monitor.stage != stage:
                continue
            if monitor.name == "detector":
                detector, found = feed(context, state.detector, level / context.window.rows)
                state, context = replace(state, detector=detector), replace(context, detections=tuple(found))
            for part, share in _parts(monitor, context, level):
                state, outcome = weigh(state, monitor, rule, part, share, self.mutes)
                outcomes.extend([outcome] if outcome else [])
        return state, outcomes


def _parts(monitor: Monitor, context: Context, level: float) -> list[tuple[Context, float]]:
    """All rows, and each slice of them, with their shares of the level: a half for all, a half for the slices."""
    slices = sorted(context.merged(1).slices) if monitor.sliced else []
    if not slices:
        return [(context, level)]
    each = level * SLICES_SHARE / len(slices)
    return [(context, level * (1 - SLICES_SHARE)), *((replace(context, slice=name), each) for name in slices)]
