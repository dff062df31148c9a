"""Counts the rows of several panes together, cut to the room of their blocks."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tidemill_stats.arrays import BoolArray, IntArray

from tidemill_monitor.domain.block import ALL, CAPACITY, WHOLE
from tidemill_monitor.domain.lens import Lens
from tidemill_monitor.domain.multivariate import Matrices
from tidemill_monitor.domain.rows import Kept, Predictions
from tidemill_monitor.domain.schema import Inputs, read_inputs
from tidemill_monitor.domain.slices import by_slice
from tidemill_monitor.domain.tally import Tally


@dataclass
class Counted:
    """Rows of one pane that go into one block, and what they count: in all, as a whole, and by slice."""

    pane: int
    kept: Kept
    offset: int
    tallies: dict[int, Tally] = field(default_factory=dict)
    violations: dict[str, int] = field(default_factory=dict)


def count_rows(
    lens: Lens, rows: Predictions, panes: IntArray, rooms: Sequence[int | None], *, profiled: bool
) -> list[Counted]:
    """Rows by pane, each pane's in their order and cut where a block is full.

    `panes`: the pane of each row, 0, 1, 2...; `rooms`: the room in the open block of each, None for a new pane.
    `profiled`: whether inputs count.
    """
    count = rows.keys.size
    order = np.argsort(panes, kind="stable")
    segments, segment_panes = _segments(panes[order], rooms)
    segment = np.empty(count, dtype=np.int64)
    segment[order] = segments
    inputs = read_inputs(lens.inputs, rows.inputs, count) if lens.inputs is not None and profiled else None
    given = inputs.columns if inputs is not None else rows.inputs
    answered, slices = np.full(count, rows.answered), lens.slices.codes(given, count)
    latencies = rows.latencies.astype(np.float32)
    kept = Kept(rows.keys, rows.outputs, answered, slices, latencies, rows.epochs, rows.units)
    bounds = np.searchsorted(segments, np.arange(len(segment_panes) + 1))
    members = [order[first:last] for first, last in itertools.pairwise(bounds)]
    results = [
        Counted(pane, kept.take(some), int(rows.offsets[some].max()))
        for pane, some in zip(segment_panes, members, strict=True)
    ]
    _count_slices(lens, rows, inputs, kept, segment, results)
    _count_whole(lens, rows, inputs, segment, members, results)
    for how, broken in (inputs.violations if inputs is not None else {}).items():
        for one, rows_broken in zip(results, _counts(broken, segment, len(results)), strict=True):
            if rows_broken:
                one.violations[how] = rows_broken
    return results


def _segments(panes: IntArray, rooms: Sequence[int | None]) -> tuple[IntArray, list[int]]:
    """The segment of each row, whose panes are sorted, and the pane of each segment."""
    segments = np.empty(panes.size, dtype=np.int64)
    segment_panes: list[int] = []
    bounds = np.searchsorted(panes, np.arange(len(rooms) + 1)).tolist()
    for pane, (first, last) in enumerate(itertools.pairwise(bounds)):
        room = rooms[pane] or CAPACITY
        while first < last:
            end = min(first + room, last)
            segments[first:end] = len(segment_panes)
            segment_panes.append(pane)
            first, room = end, CAPACITY
    return segments, segment_panes


def _count_slices(
    lens: Lens, rows: Predictions, inputs: Inputs | None, kept: Kept, segment: IntArray, results: list[Counted]
) -> None:
    facts = lens.row_facts(rows, inputs)
    for one, tally in zip(results, facts.tallies(segment, len(results)), strict=True):
        one.tallies[ALL] = tally
    for some, distinct, places in by_slice(kept.slices, segment):
        for key, tally in zip(distinct.tolist(), facts.take(some).tallies(places, distinct.size), strict=True):
            results[key >> 8].tallies[key & 255] = tally


def _count_whole(
    lens: Lens,
    rows: Predictions,
    inputs: Inputs | None,
    segment: IntArray,
    members: Sequence[IntArray],
    results: list[Counted],
) -> None:
    matrices = lens.multivariate.encode(inputs.columns) if inputs is not None else Matrices()
    tallies = lens.whole_facts(rows, matrices).tallies(segment, len(results))
    for one, tally, some in zip(results, tallies, members, strict=True):
        if lens.multivariate.embedded:
            tally.sums = np.concatenate([tally.sums, lens.multivariate.embed(matrices, some)])
        one.tallies[WHOLE] = tally


def _counts(some: BoolArray, segment: IntArray, count: int) -> list[int]:
    counts: list[int] = np.bincount(segment[some], minlength=count).tolist()
    return counts
