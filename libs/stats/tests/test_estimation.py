import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from tidemill_stats.calibration import Calibration
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.estimation import estimate_auc, estimate_error_rate, estimate_log_loss
from tidemill_stats.performance import auc_from_histograms, log_loss, score_histograms
from tidemill_stats.scores import ScoreSums

RUNS = 600


def scores(rng, rows, shift=0.0):
    return 1 / (1 + np.exp(0.8 - shift - 1.5 * rng.normal(size=rows)))


def calibrated(p):
    return p


def overconfident(p):
    return 1 / (1 + np.sqrt((1 - p) / p))


def wavy(p):
    return np.clip(p + 0.1 * np.sin(12 * p), 0.01, 0.99)


def simulate(truth, *, shift, tests, rows, now=None, runs=RUNS, seed=0):
    """For each metric, how often the interval covered, and the p-values of the comparison."""
    rng = np.random.default_rng(seed)
    covered, p_values = np.zeros(3), np.empty((runs, 3))
    for run in range(runs):
        p, q = scores(rng, tests), scores(rng, rows, shift)
        y, z = (rng.random(tests) < truth(p)) * 1, (rng.random(rows) < (now or truth)(q)) * 1
        calibration, window = Calibration.of(*score_histograms(y, p)), ScoreSums.of(q)
        metrics = (
            (estimate_error_rate(calibration, window), float(np.mean((q > 0.5) != z))),
            (estimate_log_loss(calibration, window), float(log_loss(z, q).mean())),
            (estimate_auc(calibration, window), auc_from_histograms(*score_histograms(z, q))),
        )
        for metric, (estimate, realised) in enumerate(metrics):
            low, high = estimate.interval(0.95)
            covered[metric] += low <= realised <= high
            p_values[run, metric] = estimate.compare(realised).p_value
    return covered, p_values


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 40))
def test_merged_scores_are_those_of_all_rows(values, cut):
    whole = ScoreSums.of(np.array(values))
    assert ScoreSums.of(np.array(values[cut:])) + ScoreSums.of(np.array(values[:cut])) == whole
    assert whole.rows == len(values)


@pytest.mark.parametrize(
    ("truth", "shift", "tests", "rows"),
    [
        (calibrated, 0.0, 5000, 500),
        (calibrated, 1.0, 5000, 1000),
        (calibrated, -2.0, 5000, 2000),
        (overconfident, 1.0, 5000, 1000),
        (wavy, 1.0, 5000, 1000),
    ],
)
def test_intervals_cover_and_comparisons_hold_their_level_whatever_the_features_do(truth, shift, tests, rows):
    covered, p_values = simulate(truth, shift=shift, tests=tests, rows=rows)
    assert np.all(covered >= binom.ppf(1e-3, RUNS, 0.945))
    for level in (0.05, 0.01):
        assert np.all(np.count_nonzero(p_values <= level, axis=0) <= binom.isf(1e-3, RUNS, 1.3 * level))


def test_intervals_are_no_wider_than_they_must():
    covered, _ = simulate(calibrated, shift=0.5, tests=5000, rows=1000, runs=300)
    assert np.all(covered < 300 * 0.995)


def test_concept_drift_is_told_from_covariate_shift():
    def moved(q):
        return 0.8 * q + 0.1

    _, p_values = simulate(calibrated, now=moved, shift=0.5, tests=5000, rows=2000, runs=60)
    assert np.mean(p_values[:, 1] < 1e-4) > 0.9


def test_estimates_of_certain_scores_are_exact():
    y = np.array([1] * 3000 + [0] * 3000)
    calibration = Calibration.of(*score_histograms(y, y * 1.0))
    window = ScoreSums.of(np.array([1.0] * 300 + [0.0] * 700))
    assert estimate_error_rate(calibration, window).mean == pytest.approx(0.0, abs=2e-3)
    assert estimate_auc(calibration, window).mean == pytest.approx(1.0, abs=5e-3)


def test_log_loss_of_calibrated_scores_is_their_entropy():
    rng = np.random.default_rng(1)
    p = scores(rng, 400_000)
    calibration = Calibration.of(*score_histograms((rng.random(p.size) < p) * 1, p))
    q = scores(rng, 5000, 1.0)
    entropy = float(np.mean(-q * np.log(q) - (1 - q) * np.log1p(-q)))
    assert estimate_log_loss(calibration, ScoreSums.of(q)).mean == pytest.approx(entropy, abs=3e-3)


def test_error_rate_follows_the_threshold():
    calibration = Calibration.of(np.full(200, 500), np.full(200, 1500))
    window = ScoreSums.of(np.linspace(0, 1, 1000))
    always, never = (estimate_error_rate(calibration, window, threshold=t).mean for t in (0.0, 1.0))
    assert always == pytest.approx(0.75, abs=0.01)
    assert never == pytest.approx(0.25, abs=0.01)


def test_without_test_rows_scores_are_believed_with_little_certainty():
    none = np.zeros(200)
    unknown, window = Calibration.of(none, none), ScoreSums.of(np.full(1000, 0.8025))
    estimate = estimate_error_rate(unknown, window)
    assert estimate.mean == pytest.approx(0.1975, abs=1e-3)
    assert np.ptp(estimate.interval()) > 0.3


def test_uncertainty_falls_with_test_rows_and_with_live_rows():
    rng = np.random.default_rng(2)
    widths = []
    for tests, rows in ((500, 500), (20_000, 500), (20_000, 20_000)):
        p = scores(rng, tests)
        calibration = Calibration.of(*score_histograms((rng.random(tests) < p) * 1, p))
        widths.append(np.ptp(estimate_error_rate(calibration, ScoreSums.of(scores(rng, rows))).interval()))
    assert widths[0] > widths[1] > 2 * widths[2]


def test_a_design_effect_widens_the_interval_and_weakens_the_comparison():
    rng = np.random.default_rng(3)
    p = scores(rng, 50_000)
    calibration = Calibration.of(*score_histograms((rng.random(p.size) < p) * 1, p))
    estimate = estimate_error_rate(calibration, ScoreSums.of(scores(rng, 500)))
    assert np.ptp(estimate.interval(design_effect=4.0)) == pytest.approx(2 * np.ptp(estimate.interval()), rel=0.05)
    realised = estimate.mean + 0.08
    assert estimate.compare(realised).p_value < estimate.compare(realised, design_effect=4.0).p_value
    assert estimate.compare(realised).effect == pytest.approx(0.08)


def test_too_few_rows_or_one_label_alone_are_no_evidence():
    calibration = Calibration.of(np.full(200, 5), np.full(200, 5))
    few = estimate_error_rate(calibration, ScoreSums.of(np.full(29, 0.9)))
    assert few.compare(1.0).p_value == 1.0
    assert estimate_auc(calibration, ScoreSums.of(np.full(100, 0.9))).compare(math.nan).p_value == 1.0
    assert math.isnan(estimate_log_loss(calibration, ScoreSums.of(np.array([]))).mean)


def test_what_does_not_fit_is_refused():
    calibration = Calibration.of(np.ones(10), np.ones(10))
    with pytest.raises(IncompatibleProfiles):
        estimate_auc(calibration, ScoreSums.of(np.array([0.5])))
    with pytest.raises(IncompatibleProfiles):
        ScoreSums.of(np.array([0.5])) + ScoreSums.of(np.array([0.5]), bins=10)
    with pytest.raises(InvalidInput):
        ScoreSums.of(np.array([1.5]))
    with pytest.raises(InvalidInput):
        Calibration.of([1, 2], [1])
    with pytest.raises(InvalidInput):
        estimate_error_rate(calibration, ScoreSums.of(np.array([0.5]), bins=10)).interval(1.0)
