"""Tail probabilities."""

import numpy as np
from scipy.special import chdtrc, gammaln, ndtr

from tidemill_stats.arrays import FloatArray


def chi_square_tail(statistic: float, degrees: int) -> float:
    """P(X >= statistic) for X chi-square with `degrees` >= 1 degrees of freedom (Abramowitz & Stegun 26.4.2)."""
    return float(chdtrc(degrees, statistic))


def normal_tail(statistic: float) -> float:
    """P(Z >= statistic) for Z standard normal (Abramowitz & Stegun 26.2.3)."""
    return float(ndtr(-statistic))


def hypergeometric_tail(successes: int, population: int, marked: int, draws: int) -> float:
    """P(X >= successes) for the marked among `draws` drawn without replacement from `population`, `marked` of it.

    The conditional distribution of Fisher's exact test: Fisher (1935), "The logic of inductive inference".
    """
    lowest, highest = max(0, draws + marked - population), min(marked, draws)
    if successes <= lowest:
        return 1.0
    x = np.arange(successes, highest + 1, dtype=np.float64)
    logs = _log_choose(marked, x) + _log_choose(population - marked, draws - x)
    logs -= _log_choose(population, np.array([float(draws)]))
    return min(1.0, float(np.exp(logs).sum()))


def _log_choose(n: int, k: FloatArray) -> FloatArray:
    result: FloatArray = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return result
