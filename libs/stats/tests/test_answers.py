"""Answers of models as columns and losses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.answers import output_columns, row_losses, width
from tidemill_stats.errors import InvalidInput

BINARY = np.array([[1.0, 0.2, 0.8], [0.0, 0.9, 0.1]])
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_two_classes_are_watched_by_label_and_one_probability():
    columns = output_columns(BINARY, 2)

    assert list(columns) == ["label", "probability_1"]
    assert columns["label"].tolist() == ["1", "0"]
    assert columns["probability_1"].tolist() == [0.8, 0.1]


def test_of_more_classes_each_probability_is_watched():
    columns = output_columns(np.array([[2.0, 0.1, 0.2, 0.7]]), 3)

    assert list(columns) == ["label", "probability_0", "probability_1", "probability_2"]
    assert columns["probability_0"].tolist() == [0.1]


def test_a_regression_is_watched_by_its_prediction():
    assert output_columns(np.array([[1.5], [2.5]]), None)["prediction"].tolist() == [1.5, 2.5]


@pytest.mark.parametrize("label", [np.nan, np.inf, -1.0, 2.0, 1e300])
def test_a_label_that_is_no_class_is_missing(label: float):
    assert output_columns(np.array([[label, 0.5, 0.5]]), 2)["label"].tolist() == [""]


def test_losses_of_a_classifier_are_log_loss_and_errors():
    losses = row_losses(BINARY, np.array([1.0, 1.0]), 2)

    assert losses["log_loss"] == pytest.approx(-np.log([0.8, 0.1]))
    assert losses["error_rate"].tolist() == [0.0, 1.0]


def test_losses_of_a_regression_are_squared_and_absolute():
    losses = row_losses(np.array([[1.0], [5.0]]), np.array([3.0, 4.0]), None)

    assert losses["squared_error"].tolist() == [4.0, 1.0]
    assert losses["absolute_error"].tolist() == [2.0, 1.0]


def test_a_probability_that_rounding_took_out_of_its_range_is_taken_back():
    losses = row_losses(np.array([[1.0, -1e-8, 1 + 1e-8]]), np.array([1.0]), 2)

    assert 0 <= losses["log_loss"][0] < 1e-6


@given(SHARES, st.integers(0, 1))
def test_losses_of_a_classifier_are_finite_whatever_it_is_sure_of(shares: list[float], label: int):
    ones = np.array(shares)
    outputs = np.stack([np.rint(ones), 1 - ones, ones], axis=1)

    losses = row_losses(outputs, np.full(ones.size, float(label)), 2)

    assert all(np.all(np.isfinite(values)) and np.all(values >= 0) for values in losses.values())


@pytest.mark.parametrize(("classes", "expected"), [(None, 1), (2, 3), (5, 6)])
def test_the_matrix_is_as_wide_as_label_and_probabilities(classes: int | None, expected: int):
    assert width(classes) == expected


@pytest.mark.parametrize("outputs", [np.zeros((3, 2)), np.zeros(3), np.zeros((3, 4))])
def test_another_matrix_is_refused(outputs):
    with pytest.raises(InvalidInput, match=r"\[n, 3\]"):
        output_columns(outputs, 2)
    with pytest.raises(InvalidInput, match=r"\[n, 3\]"):
        row_losses(outputs, np.zeros(3), 2)


def test_a_label_of_no_class_is_refused():
    with pytest.raises(InvalidInput):
        row_losses(BINARY, np.array([1.0, 2.0]), 2)
