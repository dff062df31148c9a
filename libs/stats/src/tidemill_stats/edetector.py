"""Change detection with a promised rate of false alarms and no assumption on the shape of the data.

A stream of losses or of standardised features lies in [low, high]; without change its mean, given the past, lies in
[mean_low, mean_high]. For bets s > 0 the factors 1 + s (x - mean_high) and 1 - s (x - mean_low) have expectation <= 1,
so a product of them is an e-process. The detector opens one such account per feature, side and bet at every block with
capital `level` in all, and sums the capital: an e-detector of Shiryaev-Roberts type with a mixture of bets. It alarms
when capital reaches 1 and starts anew. Capital + alarms - levels is a supermartingale, so
E[alarms] <= sum of the levels spent, and with a constant level of n / R for n observations the average run length
without change is at least R, whatever the dependence between features. CUSUM's maximum is never above this sum, so it
would only be slower at the same promise. Only means are watched: give a change of spread a column of its own.
Sources: Shin, Ramdas & Rinaldo 2022, "E-detectors", arXiv 2203.03532; bets on bounded means:
Waudby-Smith & Ramdas 2024, JRSS B 86, arXiv 2010.09686.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tidemill_stats.arrays import FloatArray, IntArray
from tidemill_stats.baseline import Baseline
from tidemill_stats.errors import InvalidInput

STAKES = (0.5, 0.25, 0.125, 0.0625, 0.03125)
BLOCK = 10
CHUNK = 200
_ENOUGH = 1e9


@dataclass(frozen=True)
class EDetector:
    """What is watched for: departures of the mean from `baseline`, upwards, downwards or both (`sides` "up" ...).

    `stakes`, each in (0, 1): shares of the largest admissible bet, mixed in equal parts. A bet s grows fastest for a
    shift of about s times the variance, so halving stakes cover all shifts within a small factor. Rows are counted in
    blocks of `block` rows, so the delay is rounded up to it. Raises InvalidInput out of range.
    """

    baseline: Baseline
    sides: str = "both"
    stakes: tuple[float, ...] = STAKES
    block: int = BLOCK

    def __post_init__(self) -> None:
        if self.sides not in ("up", "down", "both") or self.block < 1:
            raise InvalidInput('need sides "up", "down" or "both" and block >= 1')
        if not self.stakes or not all(0 < stake < 1 for stake in self.stakes):
            raise InvalidInput("need stakes between 0 and 1")

    @cached_property
    def bets(self) -> FloatArray:
        """Slopes [F, K] of the factors 1 + slope (x - mean), the upward ones first."""
        stakes = np.array(self.stakes)
        up = stakes / (self.baseline.mean_high - self.baseline.low)[:, None]
        down = -stakes / (self.baseline.high - self.baseline.mean_low)[:, None]
        sides: dict[str, FloatArray] = {"up": up, "down": down, "both": np.concatenate([up, down], axis=1)}
        return sides[self.sides]

    @cached_property
    def offsets(self) -> FloatArray:
        """Intercepts [F, K] of the factors: 1 - slope mean."""
        means = np.where(self.bets > 0, self.baseline.mean_high[:, None], self.baseline.mean_low[:, None])
        return np.asarray(1 - self.bets * means, dtype=np.float64)

    def start(self) -> "EState":
        """The state before the first row."""
        return EState(np.zeros(self.bets.shape), np.empty((0, self.baseline.features)), np.empty(0))

    def factors(self, values: FloatArray) -> FloatArray:
        """Growth [..., n / block, F, K] of capital by block; `values` [..., n, F], n a multiple of `block`.

        A missing value (NaN) bets nothing.
        """
        clipped = np.clip(values, self.baseline.low, self.baseline.high)
        growth: FloatArray = self.offsets + self.bets * clipped[..., None]
        if np.isnan(values).any():
            growth[np.isnan(values)] = 1.0
        shape = values.shape[:-2]
        blocks: FloatArray = growth.reshape(*shape, -1, self.block, *self.bets.shape).prod(axis=len(shape) + 1)
        if np.any(self.baseline.design_effect > 1):
            blocks **= 1 / self.baseline.design_effect[:, None]
        return blocks


@dataclass(frozen=True)
class EState:
    """Capital [F, K]; the rows [p, F] after the last full block, p < block, and the level [p] that came with each."""

    capital: FloatArray
    pending: FloatArray
    levels: FloatArray

    @property
    def by_feature(self) -> FloatArray:
        """Capital of each feature [F]; together it is below 1 between alarms."""
        return np.asarray(self.capital.sum(axis=1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON, exact; `from_dict` reads them back."""
        pending = [[None if np.isnan(value) else value for value in row] for row in self.pending.tolist()]
        return {"capital": self.capital.tolist(), "pending": pending, "levels": self.levels.tolist()}

    @staticmethod
    def from_dict(values: Mapping[str, Any], detector: EDetector) -> "EState":
        """The state that `to_dict` wrote. Raises InvalidInput when `values` is no state of `detector`."""
        try:
            capital, levels = (np.array(values[name], dtype=np.float64) for name in ("capital", "levels"))
            rows = np.array(values["pending"], dtype=np.float64).reshape(len(levels), detector.baseline.features)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a detector's state: {error!r}") from error
        if capital.shape != detector.bets.shape or len(rows) >= detector.block or not np.all(capital >= 0):
            raise InvalidInput("the state is another detector's")
        return EState(capital, rows, levels)


@dataclass(frozen=True)
class Change:
    """An alarm `at` that many rows into the batch; `by_feature` [F]: each feature's share of the evidence, sum 1."""

    at: int
    by_feature: FloatArray


def advance(
    detector: EDetector, state: EState, values: FloatArray, level_per_row: float
) -> tuple[EState, tuple[Change, ...]]:
    """The state after the rows `values` [n, F], and the changes they show; O(n F K) numpy work.

    `level_per_row` > 0: expected false alarms that each row may spend: 1 / R for an average run length of R rows, or
    `FalseAlarmBudget.level` of the rows, divided by their number. The result depends on the rows and their levels
    alone, not on how they are cut into batches. Raises InvalidInput for another shape or level.
    """
    if values.ndim != 2 or values.shape[1] != detector.baseline.features or not 0 < level_per_row < 1:
        raise InvalidInput(f"need values of shape [n, {detector.baseline.features}] and 0 < level_per_row < 1")
    before, block = len(state.pending), detector.block
    rows = np.concatenate([state.pending, values])
    levels = np.concatenate([state.levels, np.full(len(values), level_per_row)])
    full = len(rows) - len(rows) % block
    spend = levels[:full].reshape(-1, block).sum(axis=1) / detector.bets.size
    capital, changes = state.capital.copy(), []
    for index, growth in enumerate(_growth(detector, rows[:full])):
        capital = (capital + spend[index]) * growth
        total = float(capital.sum())
        if total >= 1:
            changes.append(Change((index + 1) * block - before, capital.sum(axis=1) / total))
            capital = np.zeros_like(capital)
    return EState(capital, rows[full:], levels[full:]), tuple(changes)


def first_alarms(detector: EDetector, values: FloatArray, level_per_row: float) -> IntArray:
    """Rows until the first alarm of each of R streams [R, n, F] at once, -1 where none came: for simulations.

    As `advance` from the start of each stream; rows after the last full block are not looked at.
    """
    runs, n, _ = values.shape
    capital = np.zeros((runs, *detector.bets.shape))
    found = np.full(runs, -1, dtype=np.int64)
    spend = level_per_row * detector.block / detector.bets.size
    for start in range(0, n - n % detector.block, detector.block):
        growth = detector.factors(values[:, start : start + detector.block])[:, 0]
        capital = np.minimum((capital + spend) * growth, _ENOUGH)
        found[(found < 0) & (capital.sum(axis=(1, 2)) >= 1)] = start + detector.block
    return found


def _growth(detector: EDetector, rows: FloatArray) -> Iterator[FloatArray]:
    chunk = CHUNK * detector.block
    for start in range(0, len(rows), chunk):
        yield from detector.factors(rows[start : start + chunk])
