"""The nearest pair of proportions with a given difference."""

import numpy as np

from tidemill_stats.arrays import FloatArray

_EDGE = 1e-15
_NEWTON_STEPS = 2


def project(
    champion: FloatArray,
    candidate: FloatArray,
    champion_rows: FloatArray,
    candidate_rows: FloatArray,
    difference: FloatArray,
) -> FloatArray:
    """The champion's proportion x of the pair (x, x + difference) nearest to (`champion`, `candidate`).

    Nearest in Kullback-Leibler divergence, weighted by rows. Proportions and x lie strictly inside 0..1, `difference`
    inside -1..1, rows >= 1; all broadcast. It is the likelihood's maximum under the restriction: the root of the cubic
    of Miettinen & Nurminen (1985), "Comparative analysis of two rates", Stat. Med. 4(2), appendix I, polished by
    Newton's rule, since the e-variable's validity rests on it being stationary.
    """
    x = _root(champion, candidate, champion_rows, candidate_rows, difference)
    unrestricted = candidate - difference
    low = np.maximum(np.minimum(champion, unrestricted), np.maximum(0, -difference) + _EDGE)
    high = np.minimum(np.maximum(champion, unrestricted), np.minimum(1, 1 - difference) - _EDGE)
    x = np.clip(x, low, high)
    for _ in range(_NEWTON_STEPS):
        y = x + difference
        slope = champion_rows * (x - champion) / (x * (1 - x)) + candidate_rows * (y - candidate) / (y * (1 - y))
        curvature = champion_rows * _curvature(champion, x) + candidate_rows * _curvature(candidate, y)
        x = np.clip(x - slope / curvature, low, high)
    result: FloatArray = x
    return result


def _curvature(observed: FloatArray, at: FloatArray) -> FloatArray:
    result: FloatArray = observed / at**2 + (1 - observed) / (1 - at) ** 2
    return result


def _root(x0: FloatArray, x1: FloatArray, n0: FloatArray, n1: FloatArray, difference: FloatArray) -> FloatArray:
    n = n0 + n1
    a = ((n1 + 2 * n0) * difference - n - n1 * x1 - n0 * x0) / (3 * n)
    b = ((n0 * difference - n - 2 * n0 * x0) * difference + n1 * x1 + n0 * x0) / n
    c = n0 * x0 * difference * (1 - difference) / n
    q = a**3 - a * b / 2 + c / 2
    p = np.where(q >= 0, 1.0, -1.0) * np.sqrt(np.maximum(a**2 - b / 3, np.finfo(float).tiny))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        cosine = np.nan_to_num(q / p**3, nan=0.0)
    result: FloatArray = 2 * p * np.cos((np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3) - a
    return result
