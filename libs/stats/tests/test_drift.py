import numpy as np
import pytest
from scipy.stats import binom
from tidemill_stats.drift import DEFAULT, TESTS, column_drift, data_drift
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.profile import empty
from tidemill_stats.profiling import profile_columns

RUNS = 300
REFERENCE_ROWS = 20_000
WINDOW_ROWS = 500


def normal(rng, rows, shift=0.0):
    return rng.normal(shift, size=rows)


def rain(rng, rows):
    values = np.where(rng.random(rows) < 0.93, 0.0, np.round(rng.exponential(0.05, rows), 2))
    values[rng.random(rows) < 0.02] = np.nan
    return values


def airport(rng, rows):
    weights = 1 / np.arange(1, 131)
    return np.array([f"A{i:03}" for i in range(130)])[rng.choice(130, size=rows, p=weights / weights.sum())]


def drift(reference, window, **options):
    profile = profile_columns({"x": reference})
    return column_drift(profile.columns["x"], profile_columns({"x": window}, reference=profile).columns["x"], **options)


def simulate(source, window=None, *, window_rows=WINDOW_ROWS, reference_rows=REFERENCE_ROWS, runs=RUNS, seed=1):
    rng = np.random.default_rng(seed)
    return [drift(source(rng, reference_rows), (window or source)(rng, window_rows)) for _ in range(runs)]


def rejections(results, alpha=0.05):
    return sum(result.p_value <= alpha for result in results)


@pytest.mark.parametrize(
    ("source", "window_rows", "reference_rows"),
    [(normal, 500, 20_000), (normal, 50, 20_000), (normal, 5_000, 2_000), (airport, 500, 20_000)],
)
def test_levels_are_what_was_asked(source, window_rows, reference_rows):
    results = simulate(source, window_rows=window_rows, reference_rows=reference_rows)
    for level in (0.05, 0.01):
        assert rejections(results, level) <= binom.ppf(0.999, RUNS, level)
    assert rejections(results) >= binom.ppf(0.001, RUNS, 0.02)


def test_p_values_with_atoms_and_missing_values_reject_no_more_than_asked():
    for window_rows in (30, 500, 5_000):
        results = simulate(rain, window_rows=window_rows, seed=window_rows)
        assert rejections(results) <= binom.ppf(0.999, RUNS, 0.05)


def test_rare_cells_reject_no_more_than_asked():
    def nearly_complete(rng, rows):
        return np.where(rng.random(rows) < 0.008, np.nan, rng.normal(size=rows))

    runs = 500
    results = simulate(nearly_complete, runs=runs)
    assert any(result.test == "rare_values" for result in results)
    assert rejections(results) <= binom.ppf(0.999, runs, 0.05)


def test_a_shift_of_half_a_deviation_in_one_of_20_columns_is_seen_at_one_in_100_000():
    rng, seen = np.random.default_rng(2), 0
    reference = profile_columns({f"c{i:02}": rng.normal(size=REFERENCE_ROWS) for i in range(20)})
    for _ in range(50):
        columns = {name: rng.normal(0.5 if name == "c07" else 0.0, size=WINDOW_ROWS) for name in reference.columns}
        results = data_drift(reference, profile_columns(columns, reference=reference))
        seen += {name for name, result in results.items() if result.p_value <= 1e-5} == {"c07"}
    assert seen >= 49


def test_a_small_shift_is_seen_by_order_sooner_than_by_shares():
    shifted = simulate(normal, lambda rng, rows: normal(rng, rows, 0.25), runs=100)
    assert rejections(shifted, alpha=1e-3) >= 95
    assert {result.test for result in shifted} == {"rank_shift"}


def test_a_change_that_leaves_the_middle_is_seen_by_shares():
    wider = simulate(normal, lambda rng, rows: 1.5 * normal(rng, rows), runs=50)
    assert rejections(wider, alpha=1e-5) == 50
    assert {result.test for result in wider} == {"g_test"}


@pytest.mark.parametrize("make_strange", [lambda n: ["ZZ"] * n, lambda n: [""] * n], ids=["unseen", "missing"])
def test_a_few_values_never_seen_before_are_drift(make_strange):
    rng = np.random.default_rng(3)
    carriers = np.array(["UA", "AA", "B6", "DL"])
    window = np.array([*rng.choice(carriers, WINDOW_ROWS), *make_strange(10)])
    result = drift(rng.choice(carriers, REFERENCE_ROWS), window)
    assert result.test == "rare_values"
    assert result.statistic == 10
    assert result.p_value < 1e-6


def test_effect_does_not_depend_on_the_size_of_the_window():
    shifted = [simulate(normal, lambda rng, n: normal(rng, n, 0.5), window_rows=rows, runs=50) for rows in (200, 5_000)]
    small, large = (np.mean([result.effect for result in results]) for results in shifted)
    assert small == pytest.approx(large, rel=0.1)
    without = simulate(normal, window_rows=200, runs=200)
    assert np.median([result.effect for result in without]) < 0.05


def test_design_effect_keeps_the_error_rate_on_repeated_rows():
    rng = np.random.default_rng(5)
    naive, corrected = [], []
    for _ in range(200):
        reference, window = normal(rng, REFERENCE_ROWS), np.repeat(normal(rng, WINDOW_ROWS), 4)
        naive.append(drift(reference, window))
        corrected.append(drift(reference, window, design_effect=4.0))
    assert rejections(naive) > 150
    assert rejections(corrected) <= binom.ppf(0.999, 200, 0.05)


def test_an_empty_window_is_no_drift():
    reference = profile_columns({"x": np.arange(100.0)})
    result = column_drift(reference.columns["x"], empty(reference).columns["x"])
    assert (result.p_value, result.effect) == (1.0, 0.0)


def test_disjoint_distributions_have_effect_near_one():
    assert drift(np.array(["a"] * 5000), np.array(["b"] * 500)).effect == pytest.approx(1, abs=0.01)


def test_profiles_binned_differently_are_refused():
    a, b = (profile_columns({"x": np.arange(float(n))}) for n in (50, 60))
    with pytest.raises(IncompatibleProfiles):
        column_drift(a.columns["x"], b.columns["x"])
    with pytest.raises(IncompatibleProfiles):
        data_drift(a, profile_columns({"y": np.arange(50.0)}))


def test_design_effect_below_one_is_refused():
    with pytest.raises(InvalidInput):
        drift(np.arange(10.0), np.arange(10.0), design_effect=0.5)


@pytest.mark.parametrize("tests", [["no_such_test"], []])
def test_tests_that_do_not_exist_are_refused(tests):
    profile = profile_columns({"x": np.arange(50.0)})
    with pytest.raises(InvalidInput):
        column_drift(profile.columns["x"], profile.columns["x"], tests=tests)


@pytest.mark.parametrize("name", TESTS)
def test_each_test_can_be_asked_for_alone_and_answers_for_what_it_is_for(name):
    rng = np.random.default_rng(7)
    words = np.array(["a", "b", "c"])
    numbers = np.append(rng.normal(size=4990), [np.nan] * 10)
    numbers[numbers > 2] = 2.0
    reference = profile_columns({"number": numbers, "word": rng.choice(words, 5000)}, bins=100)
    window = profile_columns(
        {
            "number": np.append(rng.normal(1, size=480), [np.nan] * 20),
            "word": np.append(rng.choice(words, 480), ["new"] * 20),
        },
        reference=reference,
    )
    results = data_drift(reference, window, tests=[name])
    assert {result.test for result in results.values()} == {name}
    assert min(result.p_value for result in results.values()) < 1e-5
    same = data_drift(reference, reference, tests=[name])
    assert min(result.p_value for result in same.values()) > 0.1


def test_several_tests_share_one_level():
    rng = np.random.default_rng(8)
    reference, window = rng.normal(size=2000), rng.normal(0.3, size=300)
    alone = [drift(reference, window, tests=[name]) for name in ("g_test", "rank_shift")]
    together = drift(reference, window, tests=DEFAULT)
    assert together.p_value == pytest.approx(2 * min(result.p_value for result in alone))
    assert {result.effect for result in alone} == {together.effect}


def test_design_effects_are_the_columns_own():
    rng = np.random.default_rng(9)
    reference = profile_columns({name: rng.normal(size=2000) for name in "ab"})
    window = profile_columns({name: rng.normal(0.4, size=300) for name in "ab"}, reference=reference)
    plain, weakened = (data_drift(reference, window, design_effects=effects) for effects in (None, {"b": 50.0}))
    assert plain["a"].p_value < 1e-3
    assert weakened["a"].p_value < 1e-3
    assert plain["b"].p_value < 1e-3 < weakened["b"].p_value


def test_of_the_columns_called_drifted_few_are_not():
    rng = np.random.default_rng(11)
    drifted = {f"c{i:02}" for i in range(5)}
    false_shares, found = [], 0
    for _ in range(100):
        reference = profile_columns({f"c{i:02}": rng.normal(size=2000) for i in range(20)})
        shift = {name: 0.6 if name in drifted else 0.0 for name in reference.columns}
        window = profile_columns({n: rng.normal(by, size=300) for n, by in shift.items()}, reference=reference)
        called = {name for name, result in data_drift(reference, window).items() if result.p_value <= 0.1}
        false_shares.append(len(called - drifted) / max(1, len(called)))
        found += len(called & drifted)
    assert np.mean(false_shares) <= 0.1 + 3 * np.std(false_shares) / 10
    assert found >= 0.95 * 500
