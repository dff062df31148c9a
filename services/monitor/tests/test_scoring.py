from typing import Any

import numpy as np
import pytest
from tidemill_monitor.domain.fixed import fixed_point, metric_sums, unit
from tidemill_monitor.domain.scoring import expected_losses, is_label, losses, score_bins
from tidemill_monitor.domain.watched import Watch

OUTPUTS = np.array([[1, 0.25, 0.75], [0, 0.9, 0.1], [1, 0.4, 0.6]])


def test_losses_of_classes_and_of_quantities(make: Any) -> None:
    log_loss, error_rate = losses(make.watch(), OUTPUTS, np.array([1.0, 1.0, 1.0]))
    assert log_loss == pytest.approx(-np.log([0.75, 0.1, 0.6]))
    assert error_rate.tolist() == [0, 1, 0]
    watch = Watch(**{**make.watch().__dict__, "task": "regression", "classes": None})
    squared, absolute = losses(watch, np.array([[1.0], [4.0]]), np.array([2.0, 2.0]))
    assert (squared.tolist(), absolute.tolist()) == ([1, 4], [1, 2])


def test_expected_losses_are_met_on_average_by_labels_drawn_from_the_answers(make: Any) -> None:
    rng = np.random.default_rng(4)
    chances = rng.uniform(0.05, 0.95, 20_000)
    outputs = np.stack([(chances > 0.5).astype(float), 1 - chances, chances], axis=1)
    labels = (rng.uniform(size=chances.size) < chances).astype(float)
    for realised, expected in zip(losses(make.watch(), outputs, labels), expected_losses(outputs), strict=True):
        error = np.std(realised - expected) / np.sqrt(realised.size)
        assert abs(realised.mean() - expected.mean()) < 5 * error


def test_scores_fall_into_bins_of_equal_width() -> None:
    assert score_bins(np.array([[0, 1, 0.0], [0, 0.5, 0.5], [1, 0, 1.0]])).tolist() == [0, 100, 199]


@pytest.mark.parametrize(("label", "possible"), [(0.0, True), (1.0, True), (2.0, False), (0.5, False), (np.nan, False)])
def test_a_label_is_one_of_the_classes(make: Any, label: float, possible: bool) -> None:
    assert is_label(make.watch(), label) is possible


def test_fixed_point_sums_do_not_depend_on_order_or_cuts() -> None:
    values = np.random.default_rng(1).lognormal(size=1000)
    sums, squares = (part.sum() for part in fixed_point(values))
    for part in (values[::-1], np.sort(values)):
        assert tuple(one.sum() for one in fixed_point(part)) == (sums, squares)
    told = metric_sums(1000, int(sums), int(squares))
    assert (told.sum, told.sum_of_squares) == pytest.approx((values.sum(), np.square(values).sum()), rel=1e-5)


@pytest.mark.parametrize(("typical", "one"), [(1.0, 1.0), (0.3, 0.25), (1e6, 2.0**19), (0.0, 1.0), (float("nan"), 1.0)])
def test_a_unit_is_of_the_size_of_the_values(typical: float, one: float) -> None:
    assert unit(typical) == one
