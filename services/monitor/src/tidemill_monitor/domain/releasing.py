"""What a pane says of a release: its rows by the epoch of their route, and shadow answers beside those given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from tidemill.v1.monitoring_pb2 import EpochEvidence, ShadowEvidence
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_stats.arrays import BoolArray, FloatArray, HashArray, IntArray, SingleArray

from tidemill_monitor.domain.pane_state import PaneState

MOST_UNITS: Final = 1024
SAME: Final = 1e-6
"""Quantities that differ by less agree."""


@dataclass(frozen=True)
class _Rows:
    """The rows of some panes, as in `Kept`."""

    keys: HashArray
    outputs: SingleArray
    answered: BoolArray
    latencies: SingleArray
    epochs: IntArray
    units: HashArray

    @staticmethod
    def of(states: Sequence[PaneState]) -> "_Rows":
        blocks = [block for state in states for _, block in sorted(state.blocks.items())]
        names = ("keys", "outputs", "answered", "latencies", "epochs", "units")
        return _Rows(*(np.concatenate([getattr(one, name)[: one.rows] for one in blocks]) for name in names))


def epoch_evidence(state: PaneState) -> list[EpochEvidence]:
    """The rows of a pane by epoch, in increasing order; at most `MOST_UNITS` units each, none of a mirror's."""
    rows = _Rows.of([state])
    objective = state.lens.watch.latency_objective
    timed = rows.answered & np.isfinite(rows.latencies)
    found = []
    for epoch in np.unique(rows.epochs).tolist():
        here = rows.epochs == epoch
        seconds = rows.latencies[here & timed].astype(np.float64)
        units = np.unique(rows.units[here & (rows.units != 0)])
        found.append(
            EpochEvidence(
                epoch=epoch,
                predictions=int(np.count_nonzero(here)),
                errors=int(np.count_nonzero(here & ~rows.answered)),
                slow=int(np.count_nonzero(seconds > objective)),
                latency=_sums(seconds),
                units=[] if state.pane.mirror else units[:MOST_UNITS].tolist(),
            )
        )
    return found


def shadow_evidence(mirror: PaneState, answering: Sequence[PaneState]) -> ShadowEvidence:
    """A mirror's answers beside those callers got, by prediction; `answering`: the same pane of other versions."""
    if not answering:
        return ShadowEvidence()
    copies, given = _Rows.of([mirror]), _Rows.of(answering)
    copied, got = np.flatnonzero(copies.answered), np.flatnonzero(given.answered)
    _, left, right = np.intersect1d(copies.keys[copied], given.keys[got], return_indices=True)
    copied, got = copied[left], got[right]
    ours, theirs = copies.outputs[copied].astype(np.float64), given.outputs[got].astype(np.float64)
    finite = np.all(np.isfinite(ours), axis=1) & np.all(np.isfinite(theirs), axis=1)
    agree, distance = _compare(ours[finite], theirs[finite], is_class=mirror.lens.watch.classes is not None)
    delay = copies.latencies[copied].astype(np.float64) - given.latencies[got].astype(np.float64)
    return ShadowEvidence(
        pairs=int(np.count_nonzero(finite)),
        agreements=int(np.count_nonzero(agree)),
        distance=_sums(distance),
        delay=_sums(delay[np.isfinite(delay)]),
    )


def _compare(ours: FloatArray, theirs: FloatArray, *, is_class: bool) -> tuple[BoolArray, FloatArray]:
    """Which answers [n, width] agree, and their distance: total variation of probabilities, or the absolute
    difference."""
    if not is_class:
        apart = np.abs(ours[:, 0] - theirs[:, 0])
        return np.asarray(apart < SAME), apart
    agree = np.asarray(ours[:, 0] == theirs[:, 0])
    if ours.shape[1] == 1:
        return agree, (~agree).astype(np.float64)
    return agree, np.abs(ours[:, 1:] - theirs[:, 1:]).sum(axis=1) / 2


def _sums(values: FloatArray) -> MetricSums:
    return MetricSums(count=values.size, sum=float(values.sum()), sum_of_squares=float(np.square(values).sum()))
