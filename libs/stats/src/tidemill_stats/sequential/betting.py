"""Evidence of one block about the difference of two proportions."""

from typing import NamedTuple

import numpy as np

from tidemill_stats.arrays import FloatArray
from tidemill_stats.sequential.projection import project

_PRIOR = 0.18


class Counts(NamedTuple):
    """Successes and rows of both arms, arrays that broadcast; every entry of a block has rows in both arms."""

    successes0: FloatArray
    rows0: FloatArray
    successes1: FloatArray
    rows1: FloatArray


class Evidence(NamedTuple):
    """Logarithms of e-variables: against a difference of at most, and of at least, the one in question."""

    greater: FloatArray
    less: FloatArray


def block_evidence(past: Counts, block: Counts, difference: FloatArray) -> Evidence:
    """What `block` says about p1 - p0 (inside -1..1), betting on an alternative that comes from `past` alone.

    The two-sample e-variable of Turner, Ly & Grünwald (arXiv 2106.02693): the likelihood ratio of the alternative and
    its projection on the null hypothesis. It holds for every convex null hypothesis, so also for half-planes
    (Turner & Grünwald, arXiv 2203.09785), for arms of any size as long as assignment does not depend on outcomes, and
    when proportions drift from block to block, as long as the null hypothesis holds in each.

    The alternative is the past's estimate with their Beta(0.18, 0.18) prior, drawn towards the null hypothesis by
    h / (h + h'), h and h' the harmonic rows of past and block. A bet grows with the block it is placed on, and an
    estimate from few rows would stake everything on one large block. The first block says nothing.
    """
    estimate0 = (past.successes0 + _PRIOR) / (past.rows0 + 2 * _PRIOR)
    estimate1 = (past.successes1 + _PRIOR) / (past.rows1 + 2 * _PRIOR)
    known, bet = _harmonic(past), _harmonic(block)
    trust = known / (known + bet)
    nearest = project(estimate0, estimate1, block.rows0, block.rows1, difference)
    alternative0 = nearest + trust * (estimate0 - nearest)
    alternative1 = nearest + difference + trust * (estimate1 - nearest - difference)
    null0 = project(alternative0, alternative1, block.rows0, block.rows1, difference)
    log_e = _log_ratio(block.successes0, block.rows0, alternative0, null0)
    log_e = log_e + _log_ratio(block.successes1, block.rows1, alternative1, null0 + difference)
    side = estimate1 - estimate0 - difference
    return Evidence(np.where(side > 0, log_e, 0.0), np.where(side < 0, log_e, 0.0))


def _harmonic(counts: Counts) -> FloatArray:
    result: FloatArray = counts.rows0 * counts.rows1 / np.maximum(counts.rows0 + counts.rows1, 1)
    return result


def _log_ratio(successes: FloatArray, rows: FloatArray, alternative: FloatArray, null: FloatArray) -> FloatArray:
    hits = successes * (np.log(alternative) - np.log(null))
    result: FloatArray = hits + (rows - successes) * (np.log1p(-alternative) - np.log1p(-null))
    return result
