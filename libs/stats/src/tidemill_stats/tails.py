"""Tail probabilities of statistics that are nearly normal or quadratic."""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, gammainc, gammaincc, ndtr

from tidemill_stats.arrays import FloatArray

_NEGLIGIBLE_SKEWNESS = 1e-4
_NEAR_MEAN = 1e-4


def pearson3_tail(z: float, skewness: float) -> float:
    """P(Z >= z) for Z of mean 0 and variance 1 in Pearson's type III family, a shifted gamma; normal at skewness 0.

    Right to the third moment for sums of independent values, where the normal is to the second. Source: Pearson
    (1895), Phil. Trans. R. Soc. A 186.
    """
    if abs(skewness) < _NEGLIGIBLE_SKEWNESS:
        return float(ndtr(-z))
    shape = 4 / skewness**2
    gamma = shape + math.copysign(math.sqrt(shape), skewness) * z
    if gamma <= 0:
        return 1.0 if skewness > 0 else 0.0
    return float(gammaincc(shape, gamma) if skewness > 0 else gammainc(shape, gamma))


def pearson3_two_sided(z: float, skewness: float) -> float:
    """Twice the smaller tail of `pearson3_tail` at z, at most 1."""
    return min(1.0, 2 * min(pearson3_tail(z, skewness), pearson3_tail(-z, -skewness)))


def weighted_chi_square_tail(statistic: float, weights: FloatArray) -> float:
    """P(Q >= statistic) for Q the sum of weights[i] times independent chi-squares of one degree of freedom.

    `weights`: shape [k], all above 0. The saddlepoint approximation of Lugannani & Rice (1980), Adv. Appl. Prob. 12,
    with the cumulants of Kuonen (1999), "Saddlepoint approximations for distributions of quadratic forms in normal
    variables", Biometrika 86(4): its error is relative to the tail, a few percent however far out.
    """
    if statistic <= 0:
        return 1.0
    scale = float(weights.max())
    lambdas, q = weights / scale, statistic / scale
    if lambdas.size == 1:
        return float(chdtrc(1, q))
    mean, deviation = float(lambdas.sum()), math.sqrt(2 * float(np.square(lambdas).sum()))
    if abs(q - mean) < _NEAR_MEAN * deviation:
        q = mean + _NEAR_MEAN * deviation
    zeta = _saddlepoint(lambdas, q)
    left = 1 - 2 * zeta * lambdas
    w = math.copysign(math.sqrt(2 * (zeta * q + 0.5 * float(np.log(left).sum()))), zeta)
    v = zeta * math.sqrt(2 * float(np.square(lambdas / left).sum()))
    return min(1.0, max(0.0, float(ndtr(-(w + math.log(v / w) / w)))))


def _saddlepoint(lambdas: FloatArray, q: float) -> float:
    """The zeta < 1/2 at which the derivative of the cumulant generating function, sum(l / (1 - 2 zeta l)), is q."""
    upper = 0.5 * (1 - 0.5 / (q + 1))
    while float((lambdas / (1 - 2 * upper * lambdas)).sum()) < q:
        upper = 0.5 * (upper + 0.5)
    lower = min(0.0, 0.5 * (1 - lambdas.size / q)) - 1e-12
    return float(brentq(lambda zeta: float((lambdas / (1 - 2 * zeta * lambdas)).sum()) - q, lower, upper, xtol=1e-14))
