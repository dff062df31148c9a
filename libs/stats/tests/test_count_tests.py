import numpy as np
import pytest
from scipy.stats import binom, fisher_exact
from tidemill_stats.column import CategoricalProfile, NumericProfile
from tidemill_stats.comparison import Comparison
from tidemill_stats.count_tests import missing_rate, out_of_range, rare_values, unseen_categories
from tidemill_stats.moments import Moments

RUNS = 2000


def categories(rows, other=0, missing=0):
    return CategoricalProfile(("a", "b"), np.array([rows // 2, rows - rows // 2]), other, missing)


def numbers(values, edges, missing=0):
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return NumericProfile(np.array(edges), counts, Moments.of(values), missing)


def around(reference):
    """Edges with one just below the least value and one at the greatest."""
    return [np.nextafter(reference.min(), -np.inf), np.median(reference), reference.max()]


@pytest.mark.parametrize(("a", "b"), [(3, 5), (0, 3), (50, 0), (200, 30)])
def test_missing_and_unseen_values_are_tested_exactly(a, b):
    tables = [[a, 1000], [b, 100]]
    compared = Comparison(categories(1000, missing=a), categories(100, missing=b))
    smaller = min(fisher_exact(tables, alternative=side).pvalue for side in ("less", "greater"))
    assert missing_rate(compared).p_value == pytest.approx(min(1.0, 2 * smaller))
    compared = Comparison(categories(1000, other=a), categories(100, other=b))
    more = fisher_exact(tables, alternative="less").pvalue
    assert unseen_categories(compared).p_value == pytest.approx(more)
    assert unseen_categories(compared).statistic == b


@pytest.mark.parametrize("test", [missing_rate, unseen_categories, rare_values])
@pytest.mark.parametrize("rate", [0.002, 0.02])
def test_levels_are_no_more_than_asked(test, rate):
    rng = np.random.default_rng(1)
    a, b = rng.binomial(5_000, rate, (2, RUNS)), rng.binomial(300, rate, (2, RUNS))
    p_values = []
    for run in range(RUNS):
        reference = categories(5_000 - int(a[:, run].sum()), *a[:, run].tolist())
        window = categories(300 - int(b[:, run].sum()), *b[:, run].tolist())
        result = test(Comparison(reference, window))
        p_values.append(1.0 if result is None else result.p_value)
    for level in (0.05, 0.01):
        assert np.sum(np.array(p_values) <= level) <= binom.ppf(0.999, RUNS, level)


def test_values_out_of_range_are_as_frequent_as_stated_whatever_the_distribution():
    rng, runs = np.random.default_rng(2), 4000
    p_values, found = [], []
    for run in range(runs):
        reference, window = (rng.normal(size=rows) ** (1 + 2 * (run % 2)) for rows in (60, 40))
        edges = around(reference)
        result = out_of_range(Comparison(numbers(reference, edges), numbers(window, edges)))
        found.append(np.sum((window < reference.min()) | (window > reference.max())))
        p_values.append(result.p_value)
        assert result.statistic == found[-1]
    for level in sorted(set(p_values)):
        if 0.004 < level < 1:
            low, high = binom.interval(0.9995, runs, level)
            assert low <= np.sum(np.array(p_values) <= level) <= high


def test_a_few_values_out_of_range_are_seen():
    rng = np.random.default_rng(3)
    reference, window = rng.random(20_000), np.append(rng.random(495), [1.5, 2, -1, 3, 1.1])
    edges = around(reference)
    result = out_of_range(Comparison(numbers(reference, edges), numbers(window, edges)))
    assert (result.statistic, result.p_value < 1e-5) == (5, True)
    assert result.effect == pytest.approx(0.01, abs=0.001)


def test_range_is_not_judged_where_no_cell_lies_beyond():
    values = np.arange(100.0)
    assert out_of_range(Comparison(numbers(values, [50.0]), numbers(values + 1000, [50.0]))) is None
    assert out_of_range(Comparison(categories(10), categories(10))) is None


def test_values_that_stop_or_begin_to_be_missing_are_seen():
    edges, rng = [0.0], np.random.default_rng(4)
    full, holed = (numbers(rng.normal(size=900), edges, missing=missing) for missing in (0, 40))
    begun, ended = missing_rate(Comparison(full, holed)), missing_rate(Comparison(holed, full))
    assert begun.p_value < 1e-6
    assert ended.p_value < 1e-6
    assert begun.statistic == -ended.statistic == pytest.approx(40 / 940)


def test_a_design_effect_weakens_evidence():
    pair = categories(5_000), categories(300, missing=12)
    plain, weakened = (rare_values(Comparison(*pair, design_effect=by)) for by in (1.0, 4.0))
    assert plain.p_value < 1e-10 < weakened.p_value
    assert plain.statistic == weakened.statistic == 12
