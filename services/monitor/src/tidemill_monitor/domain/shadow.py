"""Answers that were only logged beside the answers that callers got, by prediction."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from tidemill.v1.monitoring_pb2 import ShadowEvidence
from tidemill_stats.arrays import BoolArray, FloatArray, HashArray, IntArray

from tidemill_monitor.domain.fixed import StepSums
from tidemill_monitor.domain.rows import Kept

SAME: Final = 1e-6
"""Quantities that differ by less agree."""

Answers = Callable[[HashArray], Iterable[tuple[IntArray, Kept]]]


@dataclass
class ShadowPairs:
    """The pairs of a mirror's pane: each is counted once, when both answers are there.

    `waiting`: answers of the mirror without the one that the caller got. Distances are in the unit `one`.
    """

    waiting: Kept | None = None
    pairs: int = 0
    agreements: int = 0
    distance: StepSums = field(default_factory=StepSums)
    delay: StepSums = field(default_factory=StepSums)

    def add(self, rows: Kept) -> None:
        """Let answers of the mirror wait for the others; where there is none, there will be no pair."""
        parts = [] if self.waiting is None else [self.waiting]
        self.waiting = Kept.joined([*parts, rows.take(rows.answered)])

    def pair(self, given: Answers, one: float, *, classes: bool) -> None:
        """Count the pairs that have become complete.

        `given`: the answered rows of some keys, and which of the keys they are of. `classes`: whether answers are
        label and probabilities; else they are quantities, and distances are counted in the unit `one`.
        """
        if self.waiting is None:
            return
        met = np.zeros(self.waiting.keys.size, dtype=np.bool_)
        for places, theirs in given(self.waiting.keys):
            fresh = ~met[places]
            met[places] = True
            self._count(self.waiting.take(places[fresh]), theirs.take(fresh), one, classes=classes)
        self.waiting = self.waiting.take(~met)

    def message(self, one: float) -> ShadowEvidence:
        """The pairs as a message; `one`: the unit of the distances."""
        return ShadowEvidence(
            pairs=self.pairs,
            agreements=self.agreements,
            distance=self.distance.message(one),
            delay=self.delay.message(),
        )

    def _count(self, ours: Kept, theirs: Kept, one: float, *, classes: bool) -> None:
        agree, distance = compare(ours.outputs.astype(np.float64), theirs.outputs.astype(np.float64), classes=classes)
        delay = ours.latencies.astype(np.float64) - theirs.latencies
        self.pairs += agree.size
        self.agreements += int(np.count_nonzero(agree))
        self.distance += StepSums.of(distance[np.isfinite(distance)] / one)
        self.delay += StepSums.of(delay[np.isfinite(delay)])


def compare(ours: FloatArray, theirs: FloatArray, *, classes: bool) -> tuple[BoolArray, FloatArray]:
    """Whether answers [n, width] agree, and how far they are apart, both [n]; an answer that is no finite number agrees
    with none, and its distance is not finite.

    Of `classes` (label, then probabilities) the total variation of the probabilities, 0 to 1, or of labels alone 0 or
    1; else the absolute difference of the quantities.
    """
    with np.errstate(invalid="ignore"):
        apart = np.abs(ours - theirs)
        finite = np.all(np.isfinite(apart), axis=1)
        agree = finite & (apart[:, 0] == 0 if classes else apart[:, 0] < SAME)
        if not classes:
            distance = apart[:, 0]
        elif ours.shape[1] == 1:
            distance = (apart[:, 0] != 0).astype(np.float64)
        else:
            distance = apart[:, 1:].sum(axis=1) / 2
    return agree, np.where(finite, distance, np.nan)
