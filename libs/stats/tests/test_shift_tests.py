import numpy as np
import pytest
from scipy.stats import binom, mannwhitneyu, ttest_ind
from tidemill_stats.comparison import Comparison
from tidemill_stats.profiling import profile_columns
from tidemill_stats.shift_tests import mean_shift, rank_shift

RUNS = 1000


def compare(reference, window, **options):
    profile = profile_columns({"x": reference})
    other = profile_columns({"x": window}, reference=profile)
    return Comparison(profile.columns["x"], other.columns["x"], **options)


def normal(rng, rows):
    return rng.normal(size=rows)


def rain(rng, rows):
    return np.where(rng.random(rows) < 0.93, 0.0, np.round(rng.exponential(0.05, rows), 2))


def heavy(rng, rows):
    return rng.standard_t(2.5, size=rows)


@pytest.mark.parametrize("source", [normal, rain, heavy])
@pytest.mark.parametrize(("n", "m"), [(5_000, 500), (5_000, 60), (500, 500)])
def test_levels_are_no_more_than_asked(source, n, m):
    rng = np.random.default_rng(1)
    ranks, means = [], []
    for _ in range(RUNS):
        comparison = compare(source(rng, n), source(rng, m))
        ranks.append(rank_shift(comparison).p_value)
        means.append(mean_shift(comparison).p_value)
    for level in (0.05, 0.01):
        for p_values in (ranks, means):
            assert np.sum(np.array(p_values) <= level) <= binom.ppf(0.999, RUNS, level)
    assert np.sum(np.array(ranks) <= 0.05) >= binom.ppf(0.001, RUNS, 0.03)


def test_rank_shift_is_the_rank_sum_test_when_every_value_has_its_cell():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 12, 400), rng.integers(1, 13, 80)
    profile = profile_columns({"x": np.concatenate([a, b])}, bins=200)
    one, other = (profile_columns({"x": v}, reference=profile).columns["x"] for v in (a, b))
    result = rank_shift(Comparison(one, other))
    oracle = mannwhitneyu(b, a, use_continuity=False, method="asymptotic")
    z = (oracle.statistic - 400 * 80 / 2) * result.statistic
    assert z > 0
    assert result.p_value == pytest.approx(oracle.pvalue, rel=0.25)


def test_mean_shift_gives_welch_and_never_a_smaller_p_value():
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.1, 0.3, 0.8):
        a, b = rng.normal(size=3000), rng.normal(shift, size=400)
        oracle = ttest_ind(b, a, equal_var=False)
        result = mean_shift(compare(a, b))
        assert result.statistic == pytest.approx(oracle.statistic, rel=1e-3)
        assert result.p_value >= oracle.pvalue


def test_a_shift_of_half_a_deviation_in_500_rows_is_seen_at_one_in_100_000():
    rng, seen = np.random.default_rng(4), {rank_shift: 0, mean_shift: 0}
    for _ in range(100):
        comparison = compare(rng.normal(size=20_000), rng.normal(0.5, size=500))
        for test in seen:
            seen[test] += test(comparison).p_value <= 1e-5
    assert min(seen.values()) >= 98


def test_a_few_values_far_out_move_the_mean_and_not_the_ranks():
    rng = np.random.default_rng(5)
    window = rng.normal(size=500)
    window[:40] = 50.0
    comparison = compare(rng.normal(size=20_000), window)
    assert mean_shift(comparison).p_value < 1e-5 < rank_shift(comparison).p_value


def test_direction_is_told():
    rng = np.random.default_rng(6)
    for test in (rank_shift, mean_shift):
        up, down = (test(compare(rng.normal(size=900), rng.normal(by, size=100))).statistic for by in (1, -1))
        assert up > 0 > down


def test_effects_do_not_depend_on_the_size_of_the_window():
    rng = np.random.default_rng(7)
    reference = rng.normal(size=20_000)
    for test, expected in ((rank_shift, 0.276), (mean_shift, 0.5)):
        for rows in (100, 3_000):
            effects = [test(compare(reference, rng.normal(0.5, size=rows))).effect for _ in range(40)]
            assert np.mean(effects) == pytest.approx(expected, rel=0.12)
        assert np.median([test(compare(reference, rng.normal(size=100))).effect for _ in range(40)]) < 0.08


def test_where_there_is_no_order_or_no_spread_they_say_nothing():
    words = np.array(["a", "b"] * 50)
    flat = compare(np.zeros(100), np.zeros(50))
    for test in (rank_shift, mean_shift):
        assert test(compare(words, words)) is None
        assert test(flat) is None
        assert test(compare(np.arange(50.0), np.full(9, np.nan))) is None
