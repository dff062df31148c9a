"""How many false alarms are asked for, and the level at which one window may be tested so that no more come.

A window of r rows and length d is tested at level min(r / observations, d / period). Let the windows of a stream be
1..W and write A_w for "some test of window w rejects although nothing changed". Then
E[false alarms] <= sum_w P(A_w) <= sum_w min(r_w / observations, d_w / period) <= min(rows / observations,
time / period): both promises hold at once, whatever the dependence between windows, features and tests. Within a
window the level is split over its tests in the same way.
Source: union bound (Boole; Bonferroni 1936); weighted split: Rosenthal & Rubin 1983, "Ensemble-adjusted p values",
Psychological Bulletin 94; levels that add up over a stream: alpha spending, Foster & Stine 2008, JRSS B 70.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, isfinite
from typing import TypeVar

from tidemill_stats.errors import InvalidInput

Key = TypeVar("Key")
HIGHEST_LEVEL = 0.05


@dataclass(frozen=True)
class FalseAlarmBudget:
    """At most one false alarm per `observations` > 0 rows and per `period` > 0 microseconds of event time, expected.

    Raises InvalidInput when either is not a positive number.
    """

    observations: float
    period: int

    def __post_init__(self) -> None:
        if not (self.observations > 0 and isfinite(self.observations) and self.period > 0):
            raise InvalidInput(f"need observations > 0 and period > 0, not {self.observations} and {self.period}")

    def level(self, rows: float, length: int) -> float:
        """The level, 0 to HIGHEST_LEVEL, for all tests together of a window of `rows` rows and `length` microseconds.

        Windows must not overlap: where the same rows are tested again at a larger scale, split the level of the window
        that was added. Zero for an empty window. Raises InvalidInput for negative or infinite sizes.
        """
        if not (rows >= 0 and isfinite(rows) and length >= 0):
            raise InvalidInput(f"need rows >= 0 and length >= 0, not {rows} and {length}")
        return min(rows / self.observations, length / self.period, HIGHEST_LEVEL)


def split(level: float, weights: Mapping[Key, float]) -> dict[Key, float]:
    """`level` shared out in proportion to `weights` >= 0, at least one of them positive; the shares add up to it.

    Testing each family at its share keeps the probability of any false rejection at `level` under any dependence
    (Rosenthal & Rubin 1983). Raises InvalidInput for weights that are negative, infinite or all zero.
    """
    total = fsum(weights.values())
    if not (total > 0 and isfinite(total) and all(weight >= 0 for weight in weights.values())):
        raise InvalidInput(f"need weights >= 0 of which one is positive, not {dict(weights)}")
    return {key: level * weight / total for key, weight in weights.items()}
