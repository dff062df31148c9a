"""The rows of a pane by the epoch of the route that they were routed by."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from tidemill.v1.monitoring_pb2 import EpochEvidence
from tidemill_stats.arrays import HashArray

from tidemill_monitor.domain.fixed import StepSums
from tidemill_monitor.domain.rows import Kept

MOST_UNITS: Final = 1024


@dataclass(frozen=True, eq=False)
class EpochSums:
    """What the rows of one epoch count; `a + b` is of the rows of both.

    `slow`: answers slower than the objective. `latency`: seconds of the answers. `units`: the smallest distinct hashes
    that are not 0, increasing, at most `MOST_UNITS`.
    """

    predictions: int = 0
    errors: int = 0
    slow: int = 0
    latency: StepSums = field(default_factory=StepSums)
    units: HashArray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))

    @staticmethod
    def of(rows: Kept, objective: float) -> "EpochSums":
        """Of rows of one epoch; `objective`: in seconds."""
        latencies = rows.latencies[rows.answered & np.isfinite(rows.latencies)]
        return EpochSums(
            predictions=rows.keys.size,
            errors=int(np.count_nonzero(~rows.answered)),
            slow=int(np.count_nonzero(latencies > np.float32(objective))),
            latency=StepSums.of(latencies.astype(np.float64)),
            units=np.unique(rows.units[rows.units != 0])[:MOST_UNITS],
        )

    def __add__(self, other: "EpochSums") -> "EpochSums":
        return EpochSums(
            self.predictions + other.predictions,
            self.errors + other.errors,
            self.slow + other.slow,
            self.latency + other.latency,
            np.union1d(self.units, other.units)[:MOST_UNITS],
        )


@dataclass
class EpochCounts:
    """The rows of a pane before `place`, by epoch: rows never change, so each is counted once."""

    place: int = 0
    sums: dict[int, EpochSums] = field(default_factory=dict)

    def add(self, rows: Kept, objective: float) -> None:
        """Count rows; `objective`: in seconds."""
        for epoch in np.unique(rows.epochs).tolist():
            more = EpochSums.of(rows.take(rows.epochs == epoch), objective)
            self.sums[epoch] = self.sums[epoch] + more if epoch in self.sums else more

    def messages(self, *, mirror: bool) -> Iterator[EpochEvidence]:
        """Each epoch, in increasing order; without units of a mirror, to which the weights gave none."""
        for epoch, sums in sorted(self.sums.items()):
            yield EpochEvidence(
                epoch=epoch,
                predictions=sums.predictions,
                errors=sums.errors,
                slow=sums.slow,
                latency=sums.latency.message(),
                units=[] if mirror else sums.units.tolist(),
            )
