"""Exact null distributions of the path of cumulated counts, from the first cell to the last.

Of N values in k cells a window of n is drawn without replacement. The numbers drawn of each cell are binomial given
that they sum to n, so the path of cumulated numbers is built by convolution, cell by cell, and conditioned at the end:
exact, ties included (Schröer & Trenkler 1995, Comput. Statist. Data Anal. 20(2), count the same paths).
"""

import numpy as np
from scipy.special import gammaln

from tidemill_stats.arrays import FloatArray, IntArray

_REACH = 15.0


def exit_probability(totals: IntArray, draws: int, distance: float) -> float:
    """P(max over the cells' edges of |drawn up to there - expected| >= `distance` > 0).

    `totals`, shape [k], are the values per cell; 0 < `draws` < their sum. Relative error about 1e-9, however small.
    """
    share = draws / int(totals.sum())
    below, left = 0, int(totals.sum())
    path, first, out = np.ones(1), 0, 0.0
    for total in totals[:-1].tolist():
        path, first = _convolve(path, first, total, share)
        below, left = below + total, left - total
        drawn = first + np.arange(path.size)
        outside = np.abs(drawn - below * share) >= distance * (1 - 1e-12)
        out += float(path[outside] @ np.exp(_log_binomial(draws - drawn[outside], left, share)))
        kept = np.flatnonzero(~outside)
        if kept.size == 0:
            break
        path, first = path[kept[0] : kept[-1] + 1], first + int(kept[0])
    return min(1.0, out / float(np.exp(_log_binomial(np.array([draws]), left + below, share))[0]))


def area_cumulants(totals: IntArray, draws: int, weights: FloatArray, tilt: float) -> tuple[float, float, float]:
    """log E exp(`tilt` A) and its first and second derivative, A = sum over edges of weight |drawn - expected|.

    `weights` >= 0, shape [k - 1], belong to the edges between the k cells; otherwise as `exit_probability`.
    """
    size = int(totals.sum())
    share, below = draws / size, 0
    paths, first = np.array([[1.0], [0.0], [0.0]]), 0
    for total, weight in zip(totals.tolist(), [*weights.tolist(), 0.0], strict=True):
        rows = [_convolve(path, first, total, share) for path in paths]
        paths, first = np.stack([row for row, _ in rows]), rows[0][1]
        below += total
        paths, first = _trim(paths, first, below, share, size)
        area = weight * np.abs(first + np.arange(paths.shape[1]) - below * share)
        zero, one, two = paths * np.exp(tilt * area)
        paths = np.stack([zero, one + area * zero, two + 2 * area * one + area * area * zero])
    ended = paths[:, draws - first]
    mean, square = ended[1:] / ended[0]
    drawn_all = float(_log_binomial(np.array([draws]), size, share)[0])
    return float(np.log(ended[0])) - drawn_all, float(mean), float(square - mean * mean)


def _trim(paths: FloatArray, first: int, below: int, share: float, size: int) -> tuple[FloatArray, int]:
    reach = _REACH * float(np.sqrt(below * max(size - below, 1) / size * share * (1 - share))) + 20
    low = max(first, int(below * share - reach))
    high = min(first + paths.shape[1], int(below * share + reach) + 2)
    return paths[:, low - first : high - first], low


def _convolve(path: FloatArray, first: int, total: int, share: float) -> tuple[FloatArray, int]:
    spread = _REACH * float(np.sqrt(total * share * (1 - share))) + 20
    low, high = max(0, int(total * share - spread)), min(total, int(total * share + spread) + 1)
    drawn = np.exp(_log_binomial(np.arange(low, high + 1), total, share))
    return np.convolve(path, drawn), first + low


def _log_binomial(x: IntArray, total: int, share: float) -> FloatArray:
    inside = (x >= 0) & (x <= total)
    k = np.where(inside, x, 0).astype(np.float64)
    logs = gammaln(total + 1.0) - gammaln(k + 1.0) - gammaln(total - k + 1.0)
    logs += k * np.log(share) + (total - k) * np.log1p(-share)
    result: FloatArray = np.where(inside, logs, -np.inf)
    return result
