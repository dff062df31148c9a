"""Scores of a binary classifier in sums that merge."""

from dataclasses import dataclass

import numpy as np

from tidemill_stats.arrays import AnyArray, IntArray, frozen_ints
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput

BINS = 200
FIXED_POINT = 2.0**20
_PROBABILITY_FLOOR = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class ScoreSums:
    """The scores of a window's rows; `a + b` is of the rows of both, exactly.

    By equal score bin over 0..1, shape [bins]: `counts` of rows, `log_odds` the sum of log(p / (1 - p)); and `base`,
    the sum of -log(1 - p) over all rows; both in nats, in units of 2^-20. Raises IncompatibleProfiles when added to
    sums of other bins.
    """

    counts: IntArray
    log_odds: IntArray
    base: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", frozen_ints(self.counts))
        object.__setattr__(self, "log_odds", frozen_ints(self.log_odds))
        if self.counts.ndim != 1 or self.counts.size < 2 or self.counts.shape != self.log_odds.shape:
            raise InvalidInput(f"need counts and log-odds of one shape [bins], not {self.counts.shape}")
        if np.any(self.counts < 0) or np.any(self.log_odds[self.counts == 0] != 0):
            raise InvalidInput("counts must not be negative, and without rows the log-odds must be 0")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ScoreSums)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.log_odds, other.log_odds)
            and self.base == other.base
        )

    def __add__(self, other: "ScoreSums") -> "ScoreSums":
        if self.counts.shape != other.counts.shape:
            raise IncompatibleProfiles(f"sums over {self.counts.size} and {other.counts.size} bins do not add up")
        return ScoreSums(self.counts + other.counts, self.log_odds + other.log_odds, self.base + other.base)

    @staticmethod
    def of(scores: AnyArray, *, bins: int = BINS) -> "ScoreSums":
        """The sums of `scores`, the probabilities of class 1 of two, shape [n], 0 to 1; else InvalidInput.

        Their logarithms are of the score clipped at float32's epsilon from 0 and 1, as in `log_loss`.
        """
        values = scores.astype(np.float64)
        if values.ndim != 1 or bins < 2 or not np.all((values >= 0) & (values <= 1)):
            raise InvalidInput("scores must be of shape [n] and lie in 0..1, in at least 2 bins")
        cells = np.minimum((values * bins).astype(np.int64), bins - 1)
        clipped = np.clip(values, _PROBABILITY_FLOOR, 1 - _PROBABILITY_FLOOR)
        base, log_odds = -np.log1p(-clipped), np.log(clipped) - np.log1p(-clipped)
        return ScoreSums(
            np.bincount(cells, minlength=bins),
            np.bincount(cells, weights=np.rint(log_odds * FIXED_POINT), minlength=bins),
            int(np.rint(base * FIXED_POINT).sum()),
        )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.counts.sum())
