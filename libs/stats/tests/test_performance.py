import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from tidemill_stats.errors import InvalidInput
from tidemill_stats.performance import (
    MeanEstimate,
    absolute_error,
    auc_from_histograms,
    correctness,
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
