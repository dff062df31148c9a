"""Are there more of what should be rare? Exact tests of missing, unseen and out-of-range values."""

import numpy as np

from tidemill_stats.column import CategoricalProfile
from tidemill_stats.comparison import Comparison, DriftResult
from tidemill_stats.distributions import hypergeometric_tail, hypergeometric_two_sided


def missing_rate(comparison: Comparison) -> DriftResult | None:
    """Whether the share of missing values differs: Fisher's exact test (1935), two-sided by doubling (Yates 1984).

    Exact for both sizes, so conservative at every level (conditional on the number of missing values on both sides).
    Statistic: the window's share less the reference's. Effect: its size, less what chance alone gives. None if a side
    is empty.
    """
    if comparison.empty:
        return None
    reference, window = comparison.specials[-1]
    n, m = comparison.sizes
    p_value = hypergeometric_two_sided(window, n + m, reference + window, m)
    pooled = (reference + window) / (n + m)
    difference = window / m - reference / n
    by_chance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return DriftResult("missing_rate", difference, p_value, float(np.sqrt(max(0.0, difference**2 - by_chance))))


def unseen_categories(comparison: Comparison) -> DriftResult | None:
    """Whether more values than in the reference are of no kept category: Fisher's exact test (1935), one-sided.

    Exact for both sizes, so conservative at every level. Statistic: the window's number of such values. Effect: their
    share in excess of the reference's. None for numbers, or if a side is empty.
    """
    if not isinstance(comparison.reference, CategoricalProfile) or comparison.empty:
        return None
    assert isinstance(comparison.window, CategoricalProfile)
    reference, window = comparison.specials[0]
    return _more(comparison, "unseen_categories", comparison.window.other, reference, window)


def rare_values(comparison: Comparison) -> DriftResult | None:
    """Whether there are more of the missing and other values that are too rare to be cells of `g_test`.

    As `unseen_categories`, of both together. None if there are none, or a side is empty.
    """
    if comparison.empty or max(comparison.rare) == 0:
        return None
    reference, window = comparison.rare
    return _more(comparison, "rare_values", round(window * comparison.design_effect), reference, window)


def out_of_range(comparison: Comparison) -> DriftResult | None:
    """Whether too many values of the window lie beyond the reference's least or greatest value.

    The reference's n values cut the line into n + 1 blocks that are exchangeable for the window's m values, so that as
    many of these fall into the outer blocks as into the first: k or more beyond one end exactly when all of the k first
    of the n + m values in order are the window's, beyond both when at most one of the k + 1 first is the reference's;
    that is hypergeometric, whatever the distribution (Epstein 1954, Ann. Math. Statist. 25(4); Wilks 1962,
    "Mathematical Statistics", 8.7). Exact, and conservative with ties.

    An end is watched if the reference has an edge there, so that a cell counts what is beyond. Statistic: the number of
    values beyond; effect: their share in excess of the 1 / (n + 1) an end that is expected. None unless numbers of
    which an end is watched, or if a side has none.
    """
    if comparison.numbers is None:
        return None
    reference, window = comparison.numbers
    low, high = comparison.ends
    if not (low or high) or window.present == 0:
        return None
    beyond = (int(window.counts[0]) if low else 0) + (int(window.counts[-1]) if high else 0)
    n, m = (int(side.present / comparison.design_effect) for side in (reference, window))
    ends, found = int(low) + int(high), int(beyond / comparison.design_effect)
    draws = found + ends - 1
    p_value = hypergeometric_tail(found, n + m, m, draws) if n >= ends else 1.0
    return DriftResult("out_of_range", float(beyond), p_value, max(0.0, beyond / window.present - ends / (n + 1)))


def _more(comparison: Comparison, test: str, found: int, reference: float, window: float) -> DriftResult:
    n, m = comparison.sizes
    successes = int(window)
    marked, draws = round(reference) + successes, max(round(m), successes)
    p_value = hypergeometric_tail(successes, max(round(n + m), marked, draws), marked, draws)
    return DriftResult(test, float(found), p_value, max(0.0, window / m - reference / n))
