import numpy as np
import pytest
from scipy.stats import binom, chi2, fisher_exact
from tidemill_stats.cell_tests import chi_square, g_test, jensen_shannon, population_stability_index
from tidemill_stats.column import CategoricalProfile
from tidemill_stats.comparison import Comparison

RUNS = 1500
ALL = [chi_square, g_test, jensen_shannon, population_stability_index]
ZIPF = 1 / np.arange(1, 131)
RAIN = np.array([0.93, 0.03, 0.02, 0.01, 0.01])


def column(counts, other=0, missing=0):
    return CategoricalProfile(tuple(f"c{i:03}" for i in range(len(counts))), np.array(counts), other, missing)


def draw(rng, shares, rows, runs):
    return rng.multinomial(rows, np.array(shares) / np.sum(shares), size=runs)


@pytest.mark.parametrize("test", ALL)
@pytest.mark.parametrize(
    ("shares", "n", "m"),
    [(np.ones(20), 20_000, 500), (np.ones(20), 500, 500), (RAIN, 20_000, 500), (RAIN, 1_000, 60), (ZIPF, 20_000, 500)],
)
def test_level_is_no_more_than_asked_and_not_much_less(test, shares, n, m):
    rng = np.random.default_rng(1)
    pairs = zip(draw(rng, shares, n, RUNS), draw(rng, shares, m, RUNS), strict=True)
    p_values = np.array([test(Comparison(column(a), column(b))).p_value for a, b in pairs])
    for level in (0.05, 0.01):
        rejected = np.sum(p_values <= level)
        assert rejected <= binom.ppf(0.999, RUNS, level)
        assert rejected >= binom.ppf(0.001, RUNS, level / 5)


@pytest.mark.parametrize(("k", "n", "m"), [(20, 20_000, 500), (20, 5_000, 300), (8, 500, 500), (40, 20_000, 500)])
def test_corrected_likelihood_ratio_is_chi_square_far_in_the_tail(k, n, m):
    rng, runs = np.random.default_rng(2), 200_000
    table = np.stack([draw(rng, np.ones(k), n, runs), draw(rng, np.ones(k), m, runs)], axis=1).astype(float)
    totals, total = table.sum(axis=1), n + m
    expected = totals[:, None] * np.array([n, m])[:, None] / total
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(table > 0, table * np.log(table / expected), 0.0)
    williams = 1 + (total / n + total / m - 1) * (total * (1 / totals).sum(axis=1) - 1) / (6 * total * (k - 1))
    statistics = 2 * terms.sum(axis=(1, 2)) / williams
    for level in (1e-3, 1e-4):
        cut = chi2.isf(level, k - 1)
        assert np.sum(statistics >= cut) <= binom.ppf(0.999, runs, 1.2 * level)
    one = g_test(Comparison(column(table[0, 0].astype(int)), column(table[0, 1].astype(int))))
    assert one.statistic == pytest.approx(statistics[0])
    assert one.p_value == pytest.approx(chi2.sf(statistics[0], k - 1))


@pytest.mark.parametrize(("a", "b"), [([40, 9], [6, 5]), ([300, 20], [3, 4]), ([7, 7], [7, 0])])
def test_two_cells_are_tested_exactly(a, b):
    p_value = g_test(Comparison(column(a), column(b))).p_value
    smaller = min(fisher_exact([a, b], alternative=side).pvalue for side in ("less", "greater"))
    assert p_value == pytest.approx(min(1.0, 2 * smaller))


@pytest.mark.parametrize("test", ALL)
def test_a_new_mix_of_categories_is_seen(test):
    rng = np.random.default_rng(3)
    a, b = draw(rng, np.ones(10), 20_000, 1)[0], draw(rng, [1.8, 0.2] + [1] * 8, 500, 1)[0]
    assert test(Comparison(column(a), column(b))).p_value < 1e-5


@pytest.mark.parametrize("test", ALL)
def test_effect_is_near_nothing_without_drift_and_alike_for_windows_of_any_size(test):
    rng = np.random.default_rng(4)
    reference = column(draw(rng, np.ones(10), 50_000, 1)[0])

    def effects(shares, rows):
        return [test(Comparison(reference, column(b))).effect for b in draw(rng, shares, rows, 60)]

    moved = [1.5, 0.5] + [1] * 8
    assert np.mean(effects(moved, 300)) == pytest.approx(np.mean(effects(moved, 5_000)), rel=0.1)
    assert np.mean(effects(np.ones(10), 300)) < np.mean(effects(moved, 300)) / 4


@pytest.mark.parametrize("test", ALL)
def test_one_cell_or_an_empty_side_says_nothing(test):
    assert test(Comparison(column([50]), column([50]))) is None
    assert test(Comparison(column([]), column([]))) is None
    assert test(Comparison(column([], missing=5), column([], missing=5))) is None
    assert test(Comparison(column([50, 50]), column([0, 0]))) is None
