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


def hypergeometric_two_sided(successes: float, population: float, marked: float, draws: float) -> float:
    """Twice the smaller tail of `successes` marked among `draws`, at most 1; fractions are rounded to be conservative.

    Source: Fisher (1935); doubling, Yates (1984), J. R. Statist. Soc. A 147(3).
    """
    high, low = int(np.floor(successes + _ROUNDING)), int(np.ceil(successes - _ROUNDING))
    total, of, drawn = round(population), round(marked), round(draws)
    upper = hypergeometric_tail(high, total, of, drawn)
    lower = hypergeometric_tail(drawn - low, total, total - of, drawn)
    return min(1.0, 2 * min(upper, lower))


def _log_choose(n: int, k: FloatArray) -> FloatArray:
    result: FloatArray = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return result


_ROUNDING = 1e-9
