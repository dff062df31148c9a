import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson
from tidemill_stats.budget import HIGHEST_LEVEL, FalseAlarmBudget, split
from tidemill_stats.errors import InvalidInput

HOUR = 3_600_000_000
MONTH = 30 * 24 * HOUR


def test_the_scarcer_promise_rules():
    budget = FalseAlarmBudget(50_000, MONTH)
    assert budget.level(500, 24 * HOUR) == 500 / 50_000
    assert budget.level(500, HOUR) == HOUR / MONTH
    assert budget.level(0, HOUR) == 0
    assert budget.level(1e9, 10 * MONTH) == HIGHEST_LEVEL


@given(st.floats(1, 1e9), st.integers(1, 10**15), st.lists(st.tuples(st.floats(0, 1e7), st.integers(0, 10**14))))
def test_all_windows_together_never_spend_more_than_either_promise(observations, period, windows):
    budget = FalseAlarmBudget(observations, period)
    spent = sum(budget.level(rows, length) for rows, length in windows)
    assert spent <= sum(rows for rows, _ in windows) / observations * (1 + 1e-9)
    assert spent <= sum(length for _, length in windows) / period * (1 + 1e-9)


@pytest.mark.parametrize("rows", [100, 500, 2_000])
@pytest.mark.parametrize("length", [HOUR // 10, 6 * HOUR])
def test_alarms_stay_within_the_budget_and_use_it_without_drift(rows, length):
    """20 features and 3 scales, uniform p-values, level split over scales and features."""
    rng = np.random.default_rng(rows + length)
    budget, windows, repeats = FalseAlarmBudget(50_000, MONTH), 4_000, 5
    shares = np.array(list(split(budget.level(rows, length), {1: 2.0, 4: 1.0, 16: 1.0}).values()))
    p_values = rng.random((repeats, windows, 3, 20))
    alarms = int((p_values <= shares[:, None] / 20).any(axis=(2, 3)).sum())
    total = windows * repeats
    allowed = min(total * rows / 50_000, total * length / MONTH)
    assert poisson.sf(alarms - 1, allowed) > 1e-4
    assert poisson.cdf(alarms, 0.9 * allowed) > 1e-4


def test_fully_dependent_tests_stay_within_the_budget_too():
    rng = np.random.default_rng(5)
    budget = FalseAlarmBudget(50_000, MONTH)
    share = split(budget.level(500, 24 * HOUR), dict.fromkeys(range(20), 1.0))[0]
    p_values = np.repeat(rng.random((20_000, 1)), 20, axis=1)
    assert (p_values <= share).any(axis=1).sum() <= 20_000 * 500 / 50_000


@given(st.floats(1e-9, 0.05), st.dictionaries(st.text(max_size=2), st.floats(0, 1e6), min_size=1, max_size=6))
def test_shares_add_up_to_the_level_in_proportion(level, weights):
    if sum(weights.values()) < 1e-6:
        return
    shares = split(level, weights)
    assert sum(shares.values()) == pytest.approx(level)
    assert all(shares[key] == pytest.approx(level * weights[key] / sum(weights.values())) for key in weights)


@pytest.mark.parametrize("arguments", [(0, 1), (float("inf"), 1), (float("nan"), 1), (5, 0)])
def test_budgets_that_promise_nothing_are_refused(arguments):
    with pytest.raises(InvalidInput):
        FalseAlarmBudget(*arguments)


@pytest.mark.parametrize("size", [(-1, 5), (5, -1), (float("nan"), 5), (float("inf"), 5)])
def test_impossible_windows_are_refused(size):
    with pytest.raises(InvalidInput):
        FalseAlarmBudget(10, 10).level(*size)


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0, "b": 2.0}, {"a": float("inf")}, {"a": float("nan")}])
def test_weights_that_are_no_shares_are_refused(weights):
    with pytest.raises(InvalidInput):
        split(0.05, weights)
