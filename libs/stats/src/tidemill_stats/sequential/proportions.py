"""Difference of two proportions: accuracy, error rate, share over a latency objective."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tidemill_stats.arrays import BoolArray, FloatArray
from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.alpha import check_alpha
from tidemill_stats.sequential.betting import Counts, block_evidence
from tidemill_stats.sequential.blocks import Block, Proportion
from tidemill_stats.sequential.bounds import Bounds

_STEPS_PER_MARGIN = 4
_FINE_MARGINS = 4
_COARSENING = 1.2

_Pair = Block[Proportion]
_NOTHING: _Pair = Block(Proportion(), Proportion())


@dataclass(frozen=True)
class ProportionTest:
    """Always-valid test and confidence sequence of p1 - p0.

    For each difference of a grid, two e-processes: `greater` against "at most", `less` against "at least"; a
    hypothesis is rejected when its process reaches 2 / alpha (Ville's inequality), and its process stops there, so
    what was rejected stays rejected. `past` is what the next bet is taken from; `pending` waits for rows of the other
    arm. `weighted_sum / weight` is the mean difference within blocks, by harmonic rows n0 n1 / (n0 + n1).
    """

    alpha: float
    margin: float
    greater: tuple[float, ...]
    less: tuple[float, ...]
    past: _Pair = _NOTHING
    pending: _Pair = _NOTHING
    weighted_sum: float = 0.0
    weight: float = 0.0

    @staticmethod
    def start(alpha: float, margin: float) -> "ProportionTest":
        """Before any data. `alpha`: inside 0..1; `margin`: the difference that matters, inside 0..1, else InvalidInput.

        The grid of differences holds 0 and the margin on both sides, in quarters of it up to four margins, then in
        steps that grow by a fifth.
        """
        check_alpha(alpha)
        if not 0 < margin < 1:
            raise InvalidInput(f"need 0 < margin < 1, not {margin}")
        zeros = (0.0,) * difference_grid(margin).size
        return ProportionTest(alpha, margin, zeros, zeros)

    def observe(self, block: _Pair) -> "ProportionTest":
        """After one more block of rows, in time order; any number of rows, but evidence counts rows of both arms.

        Source: `block_evidence`.
        """
        pending = self.pending + block
        if not (pending.champion.rows and pending.candidate.rows):
            return replace(self, pending=pending)
        bet = block_evidence(_counts(self.past), _counts(pending), difference_grid(self.margin))
        threshold = math.log(2 / self.alpha)
        weight = _harmonic_rows(pending)
        return replace(
            self,
            greater=_advance(self.greater, bet.greater, threshold),
            less=_advance(self.less, bet.less, threshold),
            past=self.past + pending,
            pending=_NOTHING,
            weighted_sum=self.weighted_sum + weight * _difference(pending),
            weight=self.weight + weight,
        )

    def bounds(self) -> Bounds:
        """The differences not rejected, to the next point of the grid outward.

        Hypotheses "at most d" are rejected in increasing order of d, up to the first that stands, so all claims hold
        together at alpha / 2 (fixed-sequence testing: Maurer, Hothorn & Lehmacher 1995); "at least d" likewise.
        """
        grid, threshold = difference_grid(self.margin), math.log(2 / self.alpha)
        above = _leading(np.asarray(self.greater) >= threshold)
        below = _leading(np.asarray(self.less)[::-1] >= threshold)
        return Bounds(
            effect=self.weighted_sum / self.weight if self.weight else 0.0,
            lower=float(grid[above - 1]) if above else -1.0,
            upper=float(grid[::-1][below - 1]) if below else 1.0,
            alpha=self.alpha,
            champion_rows=self.past.champion.rows,
            candidate_rows=self.past.candidate.rows,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return {
            "alpha": self.alpha,
            "margin": self.margin,
            "greater": list(self.greater),
            "less": list(self.less),
            "past": _pair_to_list(self.past),
            "pending": _pair_to_list(self.pending),
            "weighted_sum": self.weighted_sum,
            "weight": self.weight,
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "ProportionTest":
        """The test that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            start = ProportionTest.start(float(values["alpha"]), float(values["margin"]))
            read = replace(
                start,
                greater=tuple(map(float, values["greater"])),
                less=tuple(map(float, values["less"])),
                past=_pair_of_list(values["past"]),
                pending=_pair_of_list(values["pending"]),
                weighted_sum=float(values["weighted_sum"]),
                weight=float(values["weight"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a test of proportions: {error!r}") from error
        if not len(start.greater) == len(read.greater) == len(read.less):
            raise InvalidInput("a test of proportions has one e-value per difference of its grid")
        return read


def difference_grid(margin: float) -> FloatArray:
    """The differences a test with this margin (inside 0..1) asks about, increasing, symmetric around 0."""
    positive = [margin / _STEPS_PER_MARGIN]
    while len(positive) < _STEPS_PER_MARGIN * _FINE_MARGINS and positive[-1] < 1:
        positive.append(margin / _STEPS_PER_MARGIN * (len(positive) + 1))
    while positive[-1] < 1:
        positive.append(positive[-1] * _COARSENING)
    inside = np.array([difference for difference in positive if difference < 1])
    return np.concatenate([-inside[::-1], [0.0], inside])


def _advance(log_e: tuple[float, ...], gained: FloatArray, threshold: float) -> tuple[float, ...]:
    now = np.asarray(log_e)
    return tuple(np.where(now >= threshold, now, now + gained).tolist())


def _leading(rejected: BoolArray) -> int:
    return int(np.argmin(rejected)) if not rejected.all() else rejected.size


def _counts(pair: _Pair) -> Counts:
    arms = (pair.champion.successes, pair.champion.rows, pair.candidate.successes, pair.candidate.rows)
    return Counts(*(np.asarray(value, dtype=np.float64) for value in arms))


def _harmonic_rows(pair: _Pair) -> float:
    return pair.champion.rows * pair.candidate.rows / (pair.champion.rows + pair.candidate.rows)


def _difference(pair: _Pair) -> float:
    return pair.candidate.successes / pair.candidate.rows - pair.champion.successes / pair.champion.rows


def _pair_to_list(pair: _Pair) -> list[int]:
    return [pair.champion.successes, pair.champion.rows, pair.candidate.successes, pair.candidate.rows]


def _pair_of_list(values: Any) -> _Pair:
    successes0, rows0, successes1, rows1 = (int(value) for value in values)
    return Block(Proportion(successes0, rows0), Proportion(successes1, rows1))
