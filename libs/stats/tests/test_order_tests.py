import numpy as np
import pytest
from scipy.stats import binom, ks_2samp, norm, wasserstein_distance
from tidemill_stats.comparison import Comparison
from tidemill_stats.order_tests import kolmogorov_smirnov, wasserstein
from tidemill_stats.profiling import profile_columns

RUNS = 200
BOTH = [kolmogorov_smirnov, wasserstein]


def compare(reference, window, bins=20, **options):
    profile = profile_columns({"x": reference}, bins=bins)
    other = profile_columns({"x": window}, reference=profile)
    return Comparison(profile.columns["x"], other.columns["x"], **options)


def normal(rng, rows):
    return rng.normal(size=rows)


def rain(rng, rows):
    return np.where(rng.random(rows) < 0.93, 0.0, np.round(rng.exponential(0.05, rows), 2))


@pytest.mark.parametrize("test", BOTH)
@pytest.mark.parametrize("source", [normal, rain])
@pytest.mark.parametrize(("n", "m"), [(5_000, 100), (150, 150)])
def test_levels_are_no_more_than_asked(test, source, n, m):
    rng = np.random.default_rng(1)
    p_values = np.array([test(compare(source(rng, n), source(rng, m))).p_value for _ in range(RUNS)])
    for level in (0.05, 0.01):
        assert np.sum(p_values <= level) <= binom.ppf(0.999, RUNS, level)
    assert np.sum(p_values <= 0.2) >= binom.ppf(0.001, RUNS, 0.1)


def test_p_values_far_in_the_tail_are_the_shares_of_simulated_windows():
    rng, runs, totals, draws = np.random.default_rng(2), 100_000, [250] * 12, 200
    window = rng.multivariate_hypergeometric(totals, draws, size=runs, method="marginals")
    reference = np.array(totals) - window
    difference = np.abs(np.cumsum(window, axis=1) / draws - np.cumsum(reference, axis=1) / (3000 - draws))
    values = np.repeat(np.arange(12.0), totals)
    profile = profile_columns({"x": values}, bins=3000)

    def columns(run):
        a, b = (np.repeat(np.arange(12.0), counts[run]) for counts in (reference, window))
        return (profile_columns({"x": side}, reference=profile).columns["x"] for side in (a, b))

    for test, statistics in ((kolmogorov_smirnov, difference.max(axis=1)), (wasserstein, difference.sum(axis=1))):
        order = np.argsort(-statistics)
        for rank in (1000, 100, 30):
            p_value = test(Comparison(*columns(order[rank]))).p_value
            as_large = np.sum(statistics >= statistics[order[rank]] * (1 - 1e-9)) / runs
            assert p_value == pytest.approx(as_large, rel=5 / np.sqrt(rank) * 0.7 + 0.05)


def test_kolmogorov_smirnov_agrees_with_scipy_when_every_value_has_its_cell():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=60), rng.normal(0.4, size=40)
    profile = profile_columns({"x": np.concatenate([a, b])}, bins=100)
    one, other = (profile_columns({"x": v}, reference=profile).columns["x"] for v in (a, b))
    result = kolmogorov_smirnov(Comparison(one, other))
    oracle = ks_2samp(a, b, method="exact")
    assert result.statistic == pytest.approx(oracle.statistic)
    assert result.p_value == pytest.approx(oracle.pvalue, rel=1e-6)


def test_wasserstein_is_nearly_the_distance_of_the_values():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=20_000), rng.normal(0.4, 1.1, size=4_000)
    assert wasserstein(compare(a, b)).statistic == pytest.approx(wasserstein_distance(a, b), rel=0.1)


@pytest.mark.parametrize("test", BOTH)
@pytest.mark.parametrize("shift", [0.5, 2.0])
def test_a_shift_is_seen_however_large(test, shift):
    rng = np.random.default_rng(5)
    results = [test(compare(rng.normal(size=20_000), rng.normal(shift, size=500))) for _ in range(20)]
    assert max(result.p_value for result in results) <= 1e-5


@pytest.mark.parametrize("test", BOTH)
def test_effects_do_not_depend_on_the_size_of_the_window(test):
    rng = np.random.default_rng(6)
    reference = rng.normal(size=20_000)
    expected = 2 * norm.cdf(0.25) - 1 if test is kolmogorov_smirnov else 0.5
    for rows in (200, 3_000):
        effects = [test(compare(reference, rng.normal(0.5, size=rows))).effect for _ in range(25)]
        assert np.mean(effects) == pytest.approx(expected, rel=0.12)
    assert np.median([test(compare(reference, rng.normal(size=200))).effect for _ in range(25)]) < 0.06


@pytest.mark.parametrize("test", BOTH)
def test_a_design_effect_is_as_if_there_were_fewer_values(test):
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=8_000), rng.normal(0.3, size=400)
    repeated = test(compare(np.repeat(a, 4), np.repeat(b, 4), design_effect=4.0))
    assert repeated.p_value == pytest.approx(test(compare(a, b)).p_value, rel=0.05)


@pytest.mark.parametrize("test", BOTH)
def test_where_there_is_no_order_or_no_spread_they_say_nothing(test):
    words = np.array(["a", "b"] * 50)
    assert test(compare(words, words)) is None
    assert test(compare(np.zeros(100), np.zeros(50))) is None
    assert test(compare(np.arange(50.0), np.full(9, np.nan))) is None
