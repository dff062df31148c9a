import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, mannwhitneyu
from tidemill_stats import (
    InvalidInput,
    MeanEstimate,
    absolute_error,
    auc_from_histograms,
    correctness,
    degradation,
    log_loss,
    score_histograms,
    squared_error,
)

RUNS = 1000


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50), st.integers(0, 50))
def test_merged_estimates_are_those_of_all_values(values, cut):
    merged = MeanEstimate.of(values[:cut]) + MeanEstimate.of(values[cut:])
    assert merged.count == len(values)
    assert merged.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert merged.variance == pytest.approx(np.var(values, ddof=1), abs=1e-6)
    assert merged.standard_error == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)), abs=1e-3)


def test_estimates_of_too_few_values_are_nan():
    assert math.isnan(MeanEstimate().mean)
    assert math.isnan(MeanEstimate.of([1.0]).standard_error)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(InvalidInput):
        MeanEstimate.of([1.0, math.nan])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 19)), min_size=2, max_size=80))
def test_auc_of_binned_scores_is_the_mann_whitney_statistic(rows):
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]) / 20 + 0.025
    auc = auc_from_histograms(*score_histograms(labels, scores, bins=20))
    if labels.all() or not labels.any():
        assert math.isnan(auc)
        return
    u = mannwhitneyu(scores[labels], scores[~labels], method="asymptotic").statistic
    assert auc == pytest.approx(u / (labels.sum() * (~labels).sum()))


def test_score_of_one_is_in_the_last_bin():
    positives, negatives = score_histograms(np.array([1, 0]), np.array([1.0, 0.0]), bins=4)
    assert (positives.tolist(), negatives.tolist()) == ([0, 0, 0, 1], [1, 0, 0, 0])


def test_log_loss_of_known_probabilities():
    expected = [-math.log(0.8), -math.log(0.3)]
    assert log_loss(np.array([1, 0]), np.array([0.8, 0.7])).tolist() == pytest.approx(expected)
    assert log_loss(np.array([1, 0]), np.array([[0.2, 0.8], [0.3, 0.7]])).tolist() == pytest.approx(expected)


def test_log_loss_of_certain_errors_is_finite():
    assert log_loss(np.array([1]), np.array([0.0], dtype=np.float32))[0] == pytest.approx(15.94, abs=0.01)


def test_row_errors():
    truths, predictions = np.array([1.0, -2.0]), np.array([3.0, -2.5])
    assert squared_error(truths, predictions).tolist() == [4.0, 0.25]
    assert absolute_error(truths, predictions).tolist() == [2.0, 0.5]
    assert correctness(np.array([1, 0, 1]), np.array([1, 1, 1])).tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("labels", "probabilities"),
    [([2], [0.5]), ([0.5], [0.5]), ([-1], [0.5]), ([1], [1.5]), ([1], [math.nan]), ([1, 0], [0.5])],
)
def test_unusable_labels_and_probabilities_are_refused(labels, probabilities):
    with pytest.raises(InvalidInput):
        log_loss(np.array(labels), np.array(probabilities))


@pytest.mark.parametrize(("function", "bad"), [(squared_error, [1.0]), (absolute_error, [1.0]), (correctness, [1.0])])
def test_rows_of_unequal_number_are_refused(function, bad):
    with pytest.raises(InvalidInput):
        function(np.array([1.0, 2.0]), np.array(bad))


def losses(rng, rows):
    probabilities = rng.beta(1, 3, rows)
    return log_loss((rng.random(rows) < probabilities).astype(np.int64), probabilities)


def test_degradation_rejects_no_more_than_asked_at_the_edge_of_the_null():
    rng = np.random.default_rng(7)
    truth = float(losses(rng, 1_000_000).mean())
    for rows in (100, 1_000):
        p_values = [degradation(MeanEstimate.of(losses(rng, rows)), truth - 0.02, 0.02).p_value for _ in range(RUNS)]
        assert sum(p <= 0.05 for p in p_values) <= binom.ppf(0.999, RUNS, 0.05)
    assert sum(p <= 0.05 for p in p_values) >= binom.ppf(0.001, RUNS, 0.05)


def test_uncertain_expectation_does_not_add_false_alarms():
    rng = np.random.default_rng(8)
    p_values = []
    for _ in range(RUNS):
        tested, current = MeanEstimate.of(losses(rng, 2000)), MeanEstimate.of(losses(rng, 1000))
        p_values.append(degradation(current, tested.mean, 0, expected_standard_error=tested.standard_error).p_value)
    low, high = binom.interval(0.999, RUNS, 0.05)
    assert low <= sum(p <= 0.05 for p in p_values) <= high


def test_degradation_beyond_the_least_effect_is_nearly_always_seen():
    rng = np.random.default_rng(9)
    truth = float(losses(rng, 1_000_000).mean())
    seen = [degradation(MeanEstimate.of(losses(rng, 2000) + 0.08), truth, 0.02).p_value <= 0.05 for _ in range(200)]
    assert sum(seen) >= 190


def test_direction_follows_the_metric():
    accuracy = MeanEstimate.of(np.tile([1.0, 0.0], 200))
    assert degradation(accuracy, 0.7, 0.05, higher_is_better=True).p_value < 1e-6
    assert degradation(accuracy, 0.7, 0.05, higher_is_better=True).effect == pytest.approx(0.2)
    assert degradation(accuracy, 0.7, 0.05).p_value > 0.99


def test_design_effect_widens_the_uncertainty():
    estimate = MeanEstimate.of(np.tile([1.0, 0.0], 200))
    plain, wide = (degradation(estimate, 0.4, 0.0, design_effect=d) for d in (1.0, 4.0))
    assert wide.statistic == pytest.approx(plain.statistic / 2)


@pytest.mark.parametrize("values", [[], [5.0] * 29])
def test_too_few_rows_are_no_evidence(values):
    assert degradation(MeanEstimate.of(values), 1.0, 0.0).p_value == 1.0


def test_constant_values_are_decided_without_dividing_by_zero():
    constant = MeanEstimate.of([0.5] * 50)
    assert [degradation(constant, expected, 0.0).p_value for expected in (0.4, 0.5, 0.6)] == [0.0, 0.5, 1.0]


def test_arguments_out_of_range_are_refused():
    for options in ({"min_effect": -1.0}, {"min_effect": 0.0, "design_effect": 0.5}):
        with pytest.raises(InvalidInput):
            degradation(MeanEstimate.of([1.0] * 50), 0.5, **options)
