"""Difference of two means of an unbounded metric: log loss, squared error, latency."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tidemill_stats.errors import InvalidInput
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.alpha import check_alpha
from tidemill_stats.sequential.blocks import Block
from tidemill_stats.sequential.bounds import Bounds

BURN_IN = 200
"""Rows each arm needs before the normal approximation is trusted."""

_Pair = Block[MeanEstimate]
_NOTHING: _Pair = Block(MeanEstimate(), MeanEstimate())


@dataclass(frozen=True)
class MeanTest:
    """Always-valid, asymptotic confidence sequence of mean1 - mean0.

    Differences are taken within blocks, weighted by harmonic rows n0 n1 / (n0 + n1): a mean that drifts over time, or
    a share of traffic that grows, does not look like a difference between the arms. `weight`, `weighted_sum` and
    `variance` are sums over blocks of the harmonic rows, of those times the difference, and of the latter's variance.
    `lower` and `upper` intersect all looks; None is unbounded. `pending` waits for two rows of each arm.
    """

    alpha: float
    tightest_at: float
    weight: float = 0.0
    weighted_sum: float = 0.0
    variance: float = 0.0
    champion_rows: int = 0
    candidate_rows: int = 0
    lower: float | None = None
    upper: float | None = None
    pending: _Pair = _NOTHING

    @staticmethod
    def start(alpha: float, *, tightest_at: float = 1000.0) -> "MeanTest":
        """Before any data; `alpha` inside 0..1, else InvalidInput.

        `tightest_at` > 0: the harmonic rows (a quarter of all rows at equal shares) for which the bounds are tuned;
        they hold everywhere, and from a third to three times of it are within 5 % of the best.
        """
        check_alpha(alpha)
        if not (math.isfinite(tightest_at) and tightest_at > 0):
            raise InvalidInput(f"need tightest_at > 0, not {tightest_at}")
        return MeanTest(alpha, tightest_at)

    def observe(self, block: _Pair) -> "MeanTest":
        """After one more block of rows, in time order; any number of rows. Rows must be independent.

        Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit theory and asymptotic
        confidence sequences", Annals of Statistics 2024 (arXiv 2103.06476), in its form for independent terms of
        unequal variance. The bounds hold asymptotically, from `BURN_IN` rows an arm on.
        """
        pending = self.pending + block
        if min(pending.champion.count, pending.candidate.count) < 2:
            return replace(self, pending=pending)
        return self._add(pending)._intersect()

    def bounds(self) -> Bounds:
        """The intersection of the confidence sequence over all looks, closed by the running maximum and minimum."""
        return Bounds(
            effect=self._effect,
            lower=-math.inf if self.lower is None else self.lower,
            upper=math.inf if self.upper is None else self.upper,
            alpha=self.alpha,
            champion_rows=self.champion_rows,
            candidate_rows=self.candidate_rows,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "MeanTest":
        """The test that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            pending = values["pending"]
            start = MeanTest.start(values["alpha"], tightest_at=values["tightest_at"])
            return replace(
                start,
                weight=float(values["weight"]),
                weighted_sum=float(values["weighted_sum"]),
                variance=float(values["variance"]),
                champion_rows=int(values["champion_rows"]),
                candidate_rows=int(values["candidate_rows"]),
                lower=_optional(values["lower"]),
                upper=_optional(values["upper"]),
                pending=Block(MeanEstimate(**pending["champion"]), MeanEstimate(**pending["candidate"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a test of means: {error!r}") from error

    @property
    def _effect(self) -> float:
        return self.weighted_sum / self.weight if self.weight else 0.0

    def _add(self, block: _Pair) -> "MeanTest":
        champion, candidate = block.champion, block.candidate
        weight = champion.count * candidate.count / (champion.count + candidate.count)
        variance = champion.variance / champion.count + candidate.variance / candidate.count
        return replace(
            self,
            weight=self.weight + weight,
            weighted_sum=self.weighted_sum + weight * (candidate.mean - champion.mean),
            variance=self.variance + weight**2 * variance,
            champion_rows=self.champion_rows + champion.count,
            candidate_rows=self.candidate_rows + candidate.count,
            pending=_NOTHING,
        )

    def _intersect(self) -> "MeanTest":
        if min(self.champion_rows, self.candidate_rows) < BURN_IN or self.variance == 0:
            return self
        half = half_width(self.weight, self.variance, self.alpha, self.tightest_at)
        lower, upper = self._effect - half, self._effect + half
        return replace(
            self,
            lower=lower if self.lower is None else max(self.lower, lower),
            upper=upper if self.upper is None else min(self.upper, upper),
        )


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def half_width(weight: float, variance: float, alpha: float, tightest_at: float) -> float:
    """Half the width, in the metric's unit, of the confidence sequence after harmonic rows `weight` > 0.

    `variance`: of the sum of weighted differences. Robbins' normal mixture (arXiv 2103.06476) with
    t = `weight` and a variance by row of `variance / weight`; its parameter is their approximation of the best one
    at t = `tightest_at`.
    """
    surprise = -2 * math.log(alpha)
    scaled = weight * (surprise + math.log(surprise + 1)) / tightest_at
    return math.sqrt(2 * variance * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha)) / weight
