"""Detectors of change in one stream, ours and river's, told what they need and asked when they alarm."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, HDDMA, HDDMW
from tidemill_stats.arrays import FloatArray
from tidemill_stats.edetector import EDetector, advance

from benchmarks.stats.window_rule import OBSERVATIONS

_BATCH = 500


@dataclass(frozen=True)
class Contender:
    """A detector of river's at its defaults; it is shown `warm_up` rows before a change.

    `takes`: "losses" of 0 and 1, other "numbers", or "any". `watched`: rows after a change, at most, that it is shown;
    `stationary`: rows without change a run in which its false alarms are counted; `random`: it throws dice.
    """

    name: str
    make: Callable[..., Any]
    takes: str = "any"
    warm_up: int = 2000
    watched: int = 5000
    stationary: int = 10_000
    random: bool = False

    def fits(self, losses: bool) -> bool:
        """Whether it can be shown losses, or else numbers."""
        return self.takes in ("any", "losses" if losses else "numbers")

    def warm(self, before: FloatArray, seed: int) -> Any:
        """A new detector that has seen the end of `before`, shape [n]."""
        detector = self.make(seed=seed) if self.random else self.make()
        river_alarms(detector, before[-self.warm_up :])
        return detector


QUICK = (
    Contender("ADWIN", ADWIN),
    Contender("Page-Hinkley", PageHinkley),
    Contender("DDM", DDM, takes="losses"),
    Contender("HDDM_A", HDDMA, takes="losses", stationary=1000),
    Contender("HDDM_W", HDDMW, takes="losses", stationary=1000),
)
SLOW = Contender("KSWIN", KSWIN, takes="numbers", warm_up=100, watched=300, stationary=100, random=True)


def river_alarms(detector: Any, values: FloatArray, *, first: bool = False) -> list[int]:
    """Rows, from 1, at which a detector of river's alarms in `values`, shape [n]; the `first` one only, if asked."""
    found = []
    for row, value in enumerate(values.tolist(), start=1):
        detector.update(value)
        if detector.drift_detected:
            found.append(row)
            if first:
                break
    return found


def our_delay(detector: EDetector, before: FloatArray, after: FloatArray) -> float:
    """Rows of `after`, shape [m, F], until the e-detector alarms that has seen `before`, shape [n, F]; inf if never.

    One false alarm in 50,000 rows is asked for, in expectation.
    """
    state, _ = advance(detector, detector.start(), before, 1 / OBSERVATIONS)
    for start in range(0, len(after), _BATCH):
        state, changes = advance(detector, state, after[start : start + _BATCH], 1 / OBSERVATIONS)
        if changes:
            return float(start + changes[0].at)
    return np.inf


def river_delay(detector: Any, after: FloatArray) -> float:
    """The same of a warm detector of river's and of one stream, shape [m]."""
    found = river_alarms(detector, after, first=True)
    return float(found[0]) if found else np.inf


def river_false_alarms(contender: Contender, draw: Callable[[int], FloatArray], runs: int) -> float:
    """False alarms in 50,000 rows of a stream without change, of which `draw` gives so many rows."""
    found = 0
    for run in range(runs):
        detector = contender.warm(draw(contender.warm_up), run)
        found += len(river_alarms(detector, draw(contender.stationary)))
    return found / (runs * contender.stationary) * OBSERVATIONS
