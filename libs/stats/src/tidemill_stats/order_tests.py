"""Do the distribution functions of a column of numbers differ? Tests that know the order of the cells."""

import numpy as np
from scipy.special import ndtr

from tidemill_stats.arrays import FloatArray, IntArray
from tidemill_stats.bridges import area_cumulants, exit_probability
from tidemill_stats.comparison import Comparison, DriftResult

_LARGE = 300.0
_FAR = 9.0
_STEPS = 40
_FEWEST = 5.0


def kolmogorov_smirnov(comparison: Comparison) -> DriftResult | None:
    """The largest difference of the distribution functions at the cells' edges, missing values left out.

    Kolmogorov (1933), Smirnov (1948), Ann. Math. Statist. 19(2). The p-value is exact given the cells' totals, for both
    sizes and with ties (`exit_probability`), up to rounding the counts if there is a design effect. Effect: the
    distance less its mean square without drift, pi^2/12 (1/n + 1/m). None unless numbers, or if a side has fewer than 5
    or all are in one cell.
    """
    cells = _ordered(comparison)
    if cells is None:
        return None
    n, m = cells.sum(axis=1).tolist()
    cumulated = np.cumsum(cells, axis=1)[:, :-1]
    distance = float(np.max(np.abs(cumulated[1] / m - cumulated[0] / n)))
    totals, draws = _whole(cells)
    size = int(totals.sum())
    off = distance * draws * (size - draws) / size
    p_value = exit_probability(totals, draws, off) if 0 < draws < size and off > 0 else 1.0
    by_chance = np.pi**2 / 12 * (1 / n + 1 / m)
    return DriftResult("kolmogorov_smirnov", distance, p_value, float(np.sqrt(max(0.0, distance**2 - by_chance))))


def wasserstein(comparison: Comparison) -> DriftResult | None:
    """The area between the distribution functions, in the reference's standard deviations; missing values left out.

    The 1-Wasserstein distance (Vallender 1974, Theory Probab. Appl. 18(4)), by the trapezoidal rule between the cells'
    edges; beyond the outermost it goes on over twice the neighbouring cell's width, as under an exponential tail, but
    not past the reference's ends.

    The p-value is the saddlepoint approximation of Lugannani & Rice (1980), Adv. Appl. Prob. 12(2), with the exact
    cumulants given the cells' totals (`area_cumulants`): within simulation error, 15 %, of 100,000 windows at 3e-4.
    Sizes of nm / (n + m) over 300 are judged at 300, where the limit is reached; at the largest area possible it is an
    upper bound (Chernoff 1952), and nine deviations out and beyond the Gaussian limit's (Borell 1975, Invent. Math.
    30(2)). Some 15 ms a column. Effect: the distance less its mean square without drift. None unless numbers, or if a
    side has fewer than 5, all are in one cell, or the reference is constant.
    """
    cells = _ordered(comparison)
    if cells is None or comparison.numbers is None or comparison.numbers[0].moments.variance <= 0:
        return None
    weights = _widths(comparison)
    n, m = cells.sum(axis=1).tolist()
    cumulated = np.cumsum(cells, axis=1)[:, :-1]
    distance = float(weights @ np.abs(cumulated[1] / m - cumulated[0] / n))
    totals, draws = _whole(cells * min(1.0, _LARGE * (n + m) / (n * m)))
    size = int(totals.sum())
    if not 0 < draws < size or not np.any(weights > 0):
        return None
    unit = float(np.sqrt(draws * (size - draws) / size))
    p_value, square = _area_tail(totals, draws, weights / unit, distance * float(np.sqrt(n * m / (n + m))))
    by_chance = square * (1 / n + 1 / m)
    return DriftResult("wasserstein", distance, p_value, float(np.sqrt(max(0.0, distance**2 - by_chance))))


def _ordered(comparison: Comparison) -> FloatArray | None:
    """Effective counts, shape [2, k], of the bins; None where there is nothing to compare."""
    if comparison.numbers is None:
        return None
    cells = comparison.cells
    if min(cells.sum(axis=1)) < _FEWEST or np.count_nonzero(cells.sum(axis=0)) < 2:
        return None
    return cells


def _whole(cells: FloatArray) -> tuple[IntArray, int]:
    """The cells' totals and the window's size in whole numbers."""
    return np.rint(cells.sum(axis=0)).astype(np.int64), round(float(cells[1].sum()))


def _widths(comparison: Comparison) -> FloatArray:
    assert comparison.numbers
    reference = comparison.numbers[0]
    ends, inner = reference.moments, slice(int(comparison.ends[0]), reference.edges.size - int(comparison.ends[1]))
    edges = reference.edges[inner]
    widths = np.zeros(reference.edges.size)
    if not edges.size:
        return widths
    low, high = min(ends.minimum, edges[0]), max(ends.maximum, edges[-1])
    if edges.size > 1:
        low, high = max(low, 3 * edges[0] - 2 * edges[1]), min(high, 3 * edges[-1] - 2 * edges[-2])
    knots = np.concatenate([[low], edges, [high]])
    widths[inner] = (knots[2:] - knots[:-2]) / 2 / np.sqrt(ends.variance)
    return widths


def _area_tail(totals: IntArray, draws: int, weights: FloatArray, area: float) -> tuple[float, float]:
    """P(A >= `area`) and the mean square of A, without drift."""
    _, mean, variance = area_cumulants(totals, draws, weights, 0.0)
    square, deviation = mean**2 + variance, float(np.sqrt(variance))
    far = (area - mean) / deviation
    if far > _FAR:
        return float(np.exp(-((area - mean) ** 2) / (2 * _variance_of_sum(totals, draws, weights)))), square
    if abs(far) < 0.1:
        nearby = [_saddlepoint(totals, draws, weights, area + step * deviation, mean, variance) for step in (-0.2, 0.2)]
        return sum(nearby) / 2, square
    return _saddlepoint(totals, draws, weights, area, mean, variance), square


def _saddlepoint(totals: IntArray, draws: int, weights: FloatArray, area: float, mean: float, variance: float) -> float:
    tilt, value, slope, curve = 0.0, 0.0, mean, variance
    for _ in range(_STEPS):
        step = (area - slope) / curve
        if abs(step) * np.sqrt(variance) < 1e-4:
            break
        step = float(np.clip(step, -2 / np.sqrt(variance), 2 / np.sqrt(variance)))
        tilt += step
        value, slope, curve = area_cumulants(totals, draws, weights, tilt)
        if not curve > 1e-6 * variance:
            return float(np.exp(min(0.0, value - tilt * area))) if tilt > 0 else 1.0
    w = float(np.sign(tilt) * np.sqrt(max(0.0, 2 * (tilt * area - value))))
    v = tilt * float(np.sqrt(curve))
    if w == 0 or v == 0:
        return 0.5
    return min(1.0, max(0.0, float(ndtr(-w) + np.exp(-w * w / 2) / np.sqrt(2 * np.pi) * (1 / v - 1 / w))))


def _variance_of_sum(totals: IntArray, draws: int, weights: FloatArray) -> float:
    """Of the sum over edges of weight (drawn - expected): the largest with any signs, for they correlate positively."""
    size = int(totals.sum())
    values = np.append(np.cumsum(weights[::-1])[::-1], 0.0)
    centre = float(values @ totals) / size
    return float((values - centre) ** 2 @ totals) / size * draws * (size - draws) / max(size - 1, 1)
