"""Has the middle of a column of numbers moved?"""

import numpy as np

from tidemill_stats.arrays import FloatArray
from tidemill_stats.comparison import Comparison, DriftResult
from tidemill_stats.distributions import hypergeometric_two_sided, normal_tail
from tidemill_stats.moments import Moments
from tidemill_stats.saddlepoint import score_sum_tail

_PLAIN = 2.0


def rank_shift(comparison: Comparison) -> DriftResult | None:
    """Whether the window's values tend to be larger or smaller: the rank-sum test on cells, ties by mid-ranks.

    Wilcoxon (1945), Biometrics 1(6); Mann & Whitney (1947), Ann. Math. Statist. 18(1); two-sided by doubling. The
    p-value is that of drawing the window from all values without replacement: normal up to two deviations, beyond by
    `score_sum_tail`, for two cells exactly. Against shifts it is .95 as efficient as the test of means on normal data
    and never below .86 (Hodges & Lehmann 1956, Ann. Math. Statist. 27(2)). Missing values are left out.

    Statistic: the standardised rank sum, positive if the window's values are larger. Effect: |P(window > reference) -
    P(window < reference)| (Cliff 1993, Psychol. Bull. 114(3)), 0 to 1, less what chance alone gives. None unless
    numbers, or if a side has none or all are in one cell.
    """
    if comparison.numbers is None:
        return None
    cells = comparison.cells
    totals = cells.sum(axis=0)
    cells, totals = cells[:, totals > 0], totals[totals > 0]
    n, m = cells.sum(axis=1).tolist()
    if totals.size < 2 or min(n, m) == 0:
        return None
    total = n + m
    scores = (np.cumsum(totals) - totals / 2) / total - 0.5
    scores -= float(scores @ totals) / total
    excess = float(scores @ cells[1])
    spread = float((scores * scores) @ totals) / total
    deviation = float(np.sqrt(n * m / max(total - 1, 1.0) * spread))
    standardised = excess / deviation
    dominance = 2 * excess * total / (n * m)
    by_chance = (2 * deviation * total / (n * m)) ** 2
    p_value = _two_sided(scores, cells, totals, standardised)
    return DriftResult("rank_shift", standardised, p_value, float(np.sqrt(max(0.0, dominance**2 - by_chance))))


def mean_shift(comparison: Comparison) -> DriftResult | None:
    """Whether the mean differs, by the moments alone; it also sees what ranks do not, a few values far out.

    Statistic: Welch's (1938), Biometrika 29. Its own distribution needs normal values, so the p-value is instead twice
    the bound of Bennett (1962), JASA 57(297), on the mean of values drawn without replacement (Hoeffding 1963, JASA
    58(301), section 6) from those of both sides, of which variance and range are known: never too small, at any level,
    for any distribution, at the price of the power of a z-test with about 3/5 of the values when they are normal, and
    less for heavy tails (use `rank_shift`). Effect: difference of means in the reference's standard deviations (Cohen
    1988), less what chance alone gives. None unless numbers, or if a side has below two or the reference is constant.
    """
    if comparison.numbers is None:
        return None
    reference, window = (column.moments for column in comparison.numbers)
    if min(reference.count, window.count) < 2 or reference.variance <= 0:
        return None
    n, m = reference.count / comparison.design_effect, window.count / comparison.design_effect
    difference = window.mean - reference.mean
    welch = difference / float(np.sqrt(reference.variance / n + window.variance / m))
    distance2 = difference**2 / reference.variance - 1 / n - 1 / m
    p_value = min(1.0, 2 * _bennett(reference, window, n, m))
    return DriftResult("mean_shift", welch, p_value, float(np.sqrt(max(0.0, distance2))))


def _two_sided(scores: FloatArray, cells: FloatArray, totals: FloatArray, standardised: float) -> float:
    if totals.size == 2:
        total, drawn = float(totals.sum()), float(cells[1].sum())
        return hypergeometric_two_sided(float(cells[1, 0]), total, float(totals[0]), drawn)
    if abs(standardised) < _PLAIN:
        return 2 * normal_tail(abs(standardised))
    signed = scores if standardised > 0 else -scores
    return min(1.0, 2 * score_sum_tail(signed, totals, float(cells[1].sum()), float(signed @ cells[1])))


def _bennett(reference: Moments, window: Moments, n: float, m: float) -> float:
    """Bounds the tail of the smaller of two samples' mean, given both together (counts n and m are effective)."""
    both = reference.merge(window)
    variance = both.variance * (both.count - 1) / both.count
    small, size = (window, m) if m <= n else (reference, n)
    off = small.mean - both.mean
    reach = both.maximum - both.mean if off > 0 else both.mean - both.minimum
    if off == 0 or variance <= 0:
        return 1.0
    ratio = abs(off) * reach / variance
    return float(np.exp(-size * variance / reach**2 * ((1 + ratio) * np.log1p(ratio) - ratio)))
