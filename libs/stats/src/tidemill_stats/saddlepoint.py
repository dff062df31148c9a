"""The tail of a sum of scores of values drawn without replacement."""

import numpy as np
from scipy.special import ndtr

from tidemill_stats.arrays import FloatArray

_STEPS = 60
_ROUNDING = 1e-9
_CLOSE = 1e-6


def score_sum_tail(scores: FloatArray, totals: FloatArray, draws: float, value: float) -> float:
    """P(S >= value), S the sum of the scores of `draws` values drawn without replacement.

    `totals` > 0, shape [k], are the values that have each of `scores`, shape [k]; 0 < `draws` < their sum. For `value`
    above the mean of S. The counts drawn of each score are binomial given their sum, which makes it a conditional tail:
    the double saddlepoint approximation of Skovgaard (1987), J. Appl. Prob. 24(4), used for permutation
    tests by Robinson (1982), J. R. Statist. Soc. B 44(1). Its relative error is of the order 1/draws, uniformly in the
    tail; where the equations have no solution (at the largest sum possible) it is an upper bound (Chernoff 1952; Ash
    1965, "Information Theory", 4.7).
    """
    share = draws / float(totals.sum())
    centre = float(scores @ totals) / float(totals.sum())
    spread = float(np.sqrt(((scores - centre) ** 2) @ totals / totals.sum()))
    a, target = (scores - centre) / spread, (value - draws * centre) / spread
    s, u, exponent, variances = _solve(a, totals, share, target)
    flat = float(totals.sum()) * share * (1 - share)
    determinant = variances[0] * variances[2] - variances[1] ** 2
    if s <= 0:
        return 0.5
    if not determinant > _ROUNDING * flat**2 or not np.isfinite(u):
        return min(1.0, float(np.exp(exponent) * np.sqrt(8 * flat)))
    w, v = float(np.sqrt(max(0.0, -2 * exponent))), s * float(np.sqrt(determinant / flat))
    if w < 0.1:
        return float(ndtr(-w))
    return min(1.0, max(0.0, float(ndtr(-w) + np.exp(-w * w / 2) / np.sqrt(2 * np.pi) * (1 / v - 1 / w))))


def _solve(
    a: FloatArray, totals: FloatArray, share: float, target: float
) -> tuple[float, float, float, tuple[float, float, float]]:
    """Newton's minimum over (s, u) of K(s, u) - s target: s, u, the minimum, and K's second derivatives there."""
    s = u = 0.0
    value, gradient, variances = _cumulant(a, totals, share, s, u, target)
    for _ in range(_STEPS):
        ss, su, uu = variances
        determinant = ss * uu - su * su
        if not determinant > 0:
            break
        ds = -(uu * gradient[0] - su * gradient[1]) / determinant
        du = -(ss * gradient[1] - su * gradient[0]) / determinant
        fall = -(gradient[0] * ds + gradient[1] * du)
        if not fall > _CLOSE:
            break
        length = min(1.0, 3.0 / max(abs(ds), abs(du)))
        trial = _cumulant(a, totals, share, s + length * ds, u + length * du, target)
        while not trial[0] <= value - 1e-4 * length * fall and length > _ROUNDING:
            length /= 2
            trial = _cumulant(a, totals, share, s + length * ds, u + length * du, target)
        s, u = s + length * ds, u + length * du
        value, gradient, variances = trial
    return s, u, value, variances


def _cumulant(
    a: FloatArray, totals: FloatArray, share: float, s: float, u: float, target: float
) -> tuple[float, tuple[float, float], tuple[float, float, float]]:
    logit = s * a + u + np.log(share / (1 - share))
    p = 1 / (1 + np.exp(-logit))
    weights = totals * p * (1 - p)
    value = float(totals @ (np.logaddexp(0.0, logit) + np.log1p(-share) - u * share)) - s * target
    drawn = totals * (p - share)
    weighted = weights * a
    return (
        value,
        (float(a @ drawn) - target, float(drawn.sum())),
        (float(a @ weighted), float(weighted.sum()), float(weights.sum())),
    )
