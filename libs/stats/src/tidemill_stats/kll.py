"""Quantiles of any number of values in little memory: a KLL sketch whose coins are thrown by its content."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import FloatArray, IntArray, SingleArray, frozen_singles
from tidemill_stats.errors import InvalidInput

_SHRINK = 2 / 3
_SMALLEST = 8
_DOUBT = 0.01


@dataclass(frozen=True, eq=False)
class QuantileSketch:
    """KLL sketch: `levels[h]`, finite float32 numbers in increasing order, each stand for 2**h values.

    The last level is not empty; about 3 `k` numbers are kept at most, `k` >= 8. When a level is halved, a hash of the
    level and of the total count decides, in place of a coin, whether the odd or the even positions stay: equal values
    give an equal sketch, on every machine. Raises InvalidInput when these do not hold.
    Source: Karnin, Lang & Liberty (2016), "Optimal quantile approximation in streams", FOCS, arXiv 1603.05346.
    """

    k: int
    levels: tuple[SingleArray, ...]

    def __post_init__(self) -> None:
        levels = tuple(frozen_singles(level) for level in self.levels)
        object.__setattr__(self, "levels", levels)
        if self.k < _SMALLEST:
            raise InvalidInput(f"k must be at least {_SMALLEST}, not {self.k}")
        if any(level.ndim != 1 or not np.isfinite(level).all() or np.any(np.diff(level) < 0) for level in levels):
            raise InvalidInput("levels must have shape [n], finite and in increasing order")
        if levels and not levels[-1].size:
            raise InvalidInput("the last level must not be empty")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, QuantileSketch)
            and (self.k, len(self.levels)) == (other.k, len(other.levels))
            and all(np.array_equal(a, b) for a, b in zip(self.levels, other.levels, strict=True))
        )

    @staticmethod
    def of(values: npt.ArrayLike, k: int = 200) -> "QuantileSketch":
        """Sketch of finite `values`, shape [n], rounded to float32; -0 is 0."""
        with np.errstate(over="ignore"):
            rounded = np.asarray(values, dtype=np.float32) + np.float32(0)
        return QuantileSketch(k, _compressed([np.sort(rounded)], k))

    @staticmethod
    def merge_all(parts: Sequence["QuantileSketch"]) -> "QuantileSketch":
        """Sketch of the values of all `parts`, at least one, with the least `k` of them.

        The same to the last bit in any order; associative within `error`. The weight is exact.
        """
        k = min(part.k for part in parts)
        depth = max(len(part.levels) for part in parts)
        levels = [
            np.sort(np.concatenate([part.levels[h] for part in parts if h < len(part.levels)])) for h in range(depth)
        ]
        return QuantileSketch(k, _compressed(levels, k))

    def merge(self, other: "QuantileSketch") -> "QuantileSketch":
        """Sketch of the values of both, as `merge_all`."""
        return QuantileSketch.merge_all((self, other))

    @property
    def count(self) -> int:
        """Values it stands for, exactly."""
        return _weight(self.levels)

    @property
    def error(self) -> float:
        """With probability .99, the rank of a value is wrong by at most this share of `count`; 0 if all are kept.

        sqrt(12 ln 200) / k: the proof of the source's theorem 3 with levels that shrink by 2/3, whatever the order of
        values and merges, for coins that are fair. In practice it is about a quarter of this.
        """
        return math.sqrt(12 * math.log(2 / _DOUBT)) / self.k if len(self.levels) > 1 else 0.0

    def quantiles(self, levels: npt.ArrayLike) -> FloatArray:
        """Smallest kept values with at least these shares, 0..1, of the weight at or below, of the shape of `levels`.

        Raises InvalidInput for another range, or without values.
        """
        shares = np.asarray(levels, dtype=np.float64)
        if not np.all((shares >= 0) & (shares <= 1)) or not self.levels:
            raise InvalidInput("quantiles need values, and levels in 0..1")
        values, weights = self._weighted()
        places = weights.searchsorted(np.ceil(shares * weights[-1]), side="left")
        quantiles: FloatArray = values[places]
        return quantiles

    def ranks(self, values: npt.ArrayLike) -> IntArray:
        """Number of values at or below each of `values`, 0..`count`, of their shape."""
        kept, weights = self._weighted()
        places = kept.searchsorted(np.asarray(values, dtype=np.float64), side="right")
        ranks: IntArray = np.concatenate([np.zeros(1, dtype=np.int64), weights])[places]
        return ranks

    def _weighted(self) -> tuple[SingleArray, IntArray]:
        """Kept values in increasing order, and the weight at or below each."""
        values = np.concatenate([np.empty(0), *self.levels])  # float64, as are the numbers asked for
        weights = np.repeat([1 << h for h in range(len(self.levels))], [level.size for level in self.levels])
        order = np.argsort(values, kind="stable")
        return values[order], np.cumsum(weights[order], dtype=np.int64)


def _weight(levels: Sequence[SingleArray]) -> int:
    return sum(level.size << h for h, level in enumerate(levels))


def _capacity(k: int, below_top: int) -> int:
    return max(_SMALLEST, math.ceil(k * _SHRINK**below_top))


def _compressed(levels: list[SingleArray], k: int) -> tuple[SingleArray, ...]:
    """The levels with the lowest overfull ones halved into the next, until all fit the capacities together."""
    count = _weight(levels)
    while True:
        capacities = [_capacity(k, len(levels) - 1 - h) for h in range(len(levels))]
        if sum(level.size for level in levels) <= sum(capacities):
            break
        h = next(h for h, level in enumerate(levels) if level.size > capacities[h])
        levels[h], raised = _halved(levels[h], h, count)
        levels[h + 1 : h + 2] = [np.sort(np.concatenate([raised, *levels[h + 1 : h + 2]]))]
    while levels and not levels[-1].size:
        levels.pop()
    return tuple(levels)


def _halved(level: SingleArray, h: int, count: int) -> tuple[SingleArray, SingleArray]:
    """What stays of a level of odd length (its first or last value), and every other of the rest."""
    coins = blake2b(level.tobytes(), digest_size=1, salt=count.to_bytes(8, "little") + bytes([h])).digest()[0]
    odd = level.size % 2
    skip = odd and coins >> 1 & 1
    rest = level[skip : level.size - (odd - skip)]
    stays = level[:skip] if skip else level[level.size - odd :]
    return stays, rest[coins & 1 :: 2]
