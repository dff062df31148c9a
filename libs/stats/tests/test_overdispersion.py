import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom
from tidemill_stats.drift import column_drift
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.overdispersion import design_effects
from tidemill_stats.profiling import profile_columns

ROWS = 500


def autoregression(rng, rho, rows):
    noise = rng.normal(size=rows + 1000) * np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], noise)[1000:]


def rain(rng, rho, rows):
    wet = autoregression(rng, rho, rows) - 1.48
    return np.where(wet > 0, np.round(wet, 1), 0.0)


def carriers(rng, rho, rows):
    names = np.array(["UA", "AA", "B6", "DL", "WN", "NK"])
    return names[np.digitize(autoregression(rng, rho, rows), [0, 0.7, 1.2, 1.7, 2.2])]


def in_windows(values, reference):
    return [profile_columns({"x": values[at : at + ROWS]}, reference=reference) for at in range(0, values.size, ROWS)]


def estimate(values):
    reference = profile_columns({"x": values})
    return reference, design_effects(in_windows(values, reference), reference)["x"]


@pytest.mark.parametrize("source", [autoregression, rain, carriers])
def test_independent_rows_have_a_design_effect_of_about_one(source):
    rng = np.random.default_rng(1)
    estimates = [estimate(source(rng, 0.0, 100 * ROWS))[1] for _ in range(10)]
    assert min(estimates) >= 1
    assert np.median(estimates) < 1.15
    assert max(estimates) < 1.6


def test_the_design_effect_of_an_autoregression_is_that_of_its_mean():
    rho = 0.9
    _, found = estimate(autoregression(np.random.default_rng(2), rho, 400 * ROWS))
    assert found == pytest.approx((1 + rho) / (1 - rho), rel=0.15)


@pytest.mark.parametrize("rho", [0.9, 0.99])
@pytest.mark.parametrize("source", [autoregression, rain, carriers])
def test_windows_of_an_autocorrelated_stream_reject_no_more_than_asked(source, rho):
    rng = np.random.default_rng(3)
    corrected, naive = [], []
    for _ in range(5):
        reference, effect = estimate(source(rng, rho, 100 * ROWS))
        column = reference.columns["x"]
        for window in in_windows(source(rng, rho, 80 * ROWS), reference):
            corrected.append(column_drift(column, window.columns["x"], design_effect=effect).p_value)
            naive.append(column_drift(column, window.columns["x"]).p_value)
    for level in (0.05, 0.01):
        assert np.sum(np.array(corrected) <= level) <= binom.ppf(0.999, len(corrected), level)
    assert np.mean(np.array(naive) <= 0.01) > 0.2


def test_bursts_of_missing_values_are_overdispersed_however_many_cells_are_not():
    rng = np.random.default_rng(4)
    values = rng.normal(size=100 * ROWS)
    for start in rng.integers(0, values.size, 20):
        values[start : start + 200] = np.nan
    assert estimate(values)[1] > 20


def test_a_few_windows_are_taken_with_caution():
    rng = np.random.default_rng(5)
    values = autoregression(rng, 0.9, 100 * ROWS)
    reference, every = estimate(values)
    windows = in_windows(values, reference)
    few = [design_effects(windows[at : at + 6], reference)["x"] for at in range(0, 96, 6)]
    assert np.mean(np.array(few) > every) > 0.9
    assert design_effects(windows[:1], reference) == design_effects([], reference) == {"x": 1.0}


def test_windows_that_do_not_belong_to_the_whole_are_refused():
    reference = profile_columns({"x": np.arange(100.0)})
    larger = profile_columns({"x": np.arange(300.0)}, reference=reference)
    with pytest.raises(InvalidInput):
        design_effects([larger, larger], reference)
    with pytest.raises(IncompatibleProfiles):
        design_effects([profile_columns({"y": np.arange(9.0)})] * 2, reference)
    with pytest.raises(IncompatibleProfiles):
        design_effects([profile_columns({"x": np.arange(9.0)})] * 2, reference)


@pytest.mark.parametrize(
    "values", [np.zeros(1000), np.full(1000, np.nan), np.array(["a"] * 1000), np.array([""] * 1000)]
)
def test_a_column_of_one_value_has_none(values):
    reference = profile_columns({"x": values})
    assert design_effects(in_windows(values, reference), reference) == {"x": 1.0}
