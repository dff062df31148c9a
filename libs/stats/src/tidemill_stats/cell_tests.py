"""Do the shares of the cells differ? Tests for numbers and categories alike, blind to the order of the cells."""

import math

import numpy as np
from scipy.special import xlogy

from tidemill_stats.arrays import FloatArray
from tidemill_stats.comparison import Comparison, DriftResult
from tidemill_stats.distributions import chi_square_tail, hypergeometric_two_sided
from tidemill_stats.divergence import js_divergence, psi


def g_test(comparison: Comparison) -> DriftResult | None:
    """Likelihood-ratio test of the grouped cells, missing and other values among them where there are enough.

    G = 2 sum x ln(x / expected) (Wilks 1938, Ann. Math. Statist. 9), divided by the correction of Williams (1976),
    Biometrika 63(1), against chi-square; two cells are tested exactly (Fisher 1935). Its tail stays right where
    Pearson's does not, because exp(-G / 2) bounds the probability of a cell's count whatever the count (Chernoff 1952).
    Checked with 100,000 to 400,000 multinomial tables each of 5 to 40 cells, windows of 100 to 2,000 against references
    of 500 to 20,000: the realised level is that asked at .05 to 1e-5, within simulation error (10 % at 1e-3, a third at
    1e-4).
    The effect is `Comparison.distance`. None if a side has nothing in these cells or all values are in one cell.
    """
    if not comparison.is_tabled:
        return None
    statistic, p_value = _likelihood_ratio(comparison.table)
    return DriftResult("g_test", statistic, p_value, comparison.distance)


def chi_square(comparison: Comparison) -> DriftResult | None:
    """Pearson's chi-square (1900, Phil. Mag. 50) of the cells of `g_test`.

    Times (N - 1) / N, which makes its mean exact (Haldane 1940, Biometrika 31). The p-value is the larger of
    chi-square's and `g_test`'s, which equals it to first order: alone, chi-square rejects up to ten times too often at
    1e-5 with small cells. So the level is never above that of `g_test`. Effect and None as there.
    """
    if not comparison.is_tabled:
        return None
    table = comparison.table
    total = float(table.sum())
    expected = _expected(table)
    statistic = float(np.sum((table - expected) ** 2 / expected)) * (total - 1) / total
    return DriftResult("chi_square", statistic, _at_least_g(statistic, table), comparison.distance)


def population_stability_index(comparison: Comparison) -> DriftResult | None:
    """The population stability index (`psi`) of the cells of `g_test`.

    PSI / (1/n + 1/m) is chi-square to first order (Yurdakul & Naranjo 2020, J. Risk Model Validation 14(4)); the
    p-value is the larger of that and `g_test`'s, as for `chi_square`. The effect is PSI less its expectation without
    drift, (k - 1) (1/n + 1/m), in nats. None as in `g_test`.
    """
    if not comparison.is_tabled:
        return None
    table = comparison.table
    scale = float(np.sum(1 / table.sum(axis=1)))
    statistic = psi(table[0], table[1])
    by_chance = (table.shape[1] - 1) * scale
    p_value = _at_least_g(statistic / scale, table)
    return DriftResult("population_stability_index", statistic, p_value, max(0.0, statistic - by_chance))


def jensen_shannon(comparison: Comparison) -> DriftResult | None:
    """The Jensen-Shannon divergence in bits (`js_divergence`) of the cells of `g_test`.

    8 ln 2 JS / (1/n + 1/m) is chi-square to first order (Lin 1991, IEEE Trans. Inf. Theory 37(1)); the p-value is the
    larger of that and `g_test`'s, as for `chi_square`. The effect is `Comparison.distance`. None as in `g_test`.
    """
    if not comparison.is_tabled:
        return None
    table = comparison.table
    statistic = js_divergence(table[0], table[1])
    scaled = 8 * np.log(2) * statistic / float(np.sum(1 / table.sum(axis=1)))
    return DriftResult("jensen_shannon", statistic, _at_least_g(scaled, table), comparison.distance)


def _at_least_g(statistic: float, table: FloatArray) -> float:
    return max(chi_square_tail(statistic, table.shape[1] - 1), _likelihood_ratio(table)[1])


def _expected(table: FloatArray) -> FloatArray:
    expected: FloatArray = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return expected


def _likelihood_ratio(table: FloatArray) -> tuple[float, float]:
    totals, (n, m) = table.sum(axis=0), table.sum(axis=1).tolist()
    total, degrees = n + m, table.shape[1] - 1
    williams = 1 + (total / n + total / m - 1) * (total * float((1 / totals).sum()) - 1) / (6 * total * degrees)
    information = float(xlogy(table, table).sum()) - float(xlogy(totals, totals).sum())
    independent = n * math.log(n) + m * math.log(m) - total * math.log(total)
    statistic = max(0.0, 2 * (information - independent) / williams)
    if degrees > 1:
        return statistic, chi_square_tail(statistic, degrees)
    return statistic, hypergeometric_two_sided(table[1, 0], total, totals[0], m)
