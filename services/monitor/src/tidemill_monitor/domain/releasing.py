"""What a pane says of a release, added to its message."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill_stats.arrays import HashArray, IntArray

from tidemill_monitor.domain.lane import Lane
from tidemill_monitor.domain.pane_state import PaneState
from tidemill_monitor.domain.rows import Kept


def tell_release(message: PanePartial, state: PaneState, answering: Sequence[Lane]) -> None:
    """Add the rows by epoch and, of a mirror, its answers beside those of the versions that answered."""
    lens, mirror = state.lens, state.pane.mirror
    rows = state.since(state.epochs.place)
    if rows is not None:
        state.epochs.add(rows, lens.watch.latency_objective)
        state.epochs.place = state.end
    message.epochs.extend(state.epochs.messages(mirror=mirror))
    if mirror:
        if rows is not None:
            state.shadow.add(rows)
        given = partial(_answers, answering, state.pane.start)
        state.shadow.pair(given, lens.answer_unit, classes=lens.watch.classes is not None)
        message.shadow.CopyFrom(state.shadow.message(lens.answer_unit))


def _answers(lanes: Iterable[Lane], start: int, keys: HashArray) -> Iterator[tuple[IntArray, Kept]]:
    for lane in lanes:
        yield from lane.answers(keys, start)
