import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom
from tidemill_stats.errors import InvalidInput
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.blocks import Block
from tidemill_stats.sequential.means import BURN_IN, MeanTest, half_width

ALPHA = 0.05


def at_most(runs):
    return binom.ppf(0.999, runs, ALPHA) / runs


def test_type_i_error_is_at_most_alpha_when_skewed_values_are_looked_at_after_every_observation():
    rng, runs, missed = np.random.default_rng(1), 200, 0
    for _ in range(runs):
        values, arms = rng.exponential(5.0, 2000), rng.random(2000) < 0.5
        test = MeanTest.start(ALPHA)
        for value, arm in zip(values.tolist(), arms.tolist(), strict=True):
            one = MeanEstimate(1, value, value * value)
            test = test.observe(Block(MeanEstimate(), one) if arm else Block(one, MeanEstimate()))
        missed += not _covers(test, 0.0)
    assert missed / runs <= at_most(runs)


@pytest.mark.parametrize("difference", [0.0, 0.3])
def test_bounds_cover_the_difference_at_all_looks_while_the_level_drifts_and_the_share_grows(difference):
    rng, runs, missed = np.random.default_rng(2), 200, 0
    for _ in range(runs):
        test = MeanTest.start(ALPHA)
        for level, share in zip(np.linspace(0, 5, 100), np.linspace(0.05, 0.5, 100), strict=True):
            test = test.observe(_block(rng, 100, share, level, level + difference))
        missed += not _covers(test, difference)
    assert missed / runs <= at_most(runs)


def test_median_rows_to_a_decision_are_within_twice_the_fixed_horizon_of_a_z_test():
    rng, looks, difference = np.random.default_rng(3), [], 0.125
    for _ in range(100):
        test, look = MeanTest.start(ALPHA), 0
        while test.bounds().lower <= 0:
            test, look = test.observe(_block(rng, 100, 0.5, 0.0, difference)), look + 1
        looks.append(look)
    fixed_horizon = 4 * (1.96 + 0.84) ** 2 / difference**2
    assert np.median(looks) * 100 <= 2 * fixed_horizon


def test_nothing_is_claimed_before_the_burn_in_of_either_arm():
    rng = np.random.default_rng(4)
    early = MeanTest.start(ALPHA).observe(_block(rng, 2 * BURN_IN, (BURN_IN - 1) / (2 * BURN_IN), 0.0, 100.0))
    assert not early.bounds().known
    assert early.observe(_block(rng, 10, 0.5, 0.0, 100.0)).bounds().lower > 0


def test_values_without_variance_claim_nothing():
    constant = MeanEstimate.of(np.ones(500))
    assert not MeanTest.start(ALPHA).observe(Block(constant, constant)).bounds().known


@pytest.mark.parametrize("tightest_at", [200.0, 5000.0])
def test_bounds_are_tightest_where_they_were_tuned(tightest_at):
    def width(logarithm):
        return half_width(tightest_at, tightest_at, ALPHA, math.exp(logarithm))

    best = minimize_scalar(width, bounds=(math.log(10), math.log(1e6)), method="bounded")
    assert width(math.log(tightest_at)) <= 1.01 * best.fun


@pytest.mark.parametrize("rows", [1000 / 3, 3000.0])
def test_bounds_lose_five_percent_at_most_up_to_a_factor_of_three_from_there(rows):
    assert half_width(rows, rows, ALPHA, 1000.0) <= 1.05 * half_width(rows, rows, ALPHA, rows)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3))
def test_bounds_never_widen_and_tests_survive_json(seed, scale):
    rng = np.random.default_rng(seed)
    tests = [MeanTest.start(ALPHA)]
    for _ in range(8):
        tests.append(tests[-1].observe(_block(rng, 150, 0.5, 0.0, scale * rng.normal())))
    for before, after in pairwise(test.bounds() for test in tests):
        assert after.lower >= before.lower
        assert after.upper <= before.upper
    pending = tests[-1].observe(Block(MeanEstimate.of([0.1]), MeanEstimate()))
    assert MeanTest.from_dict(json.loads(json.dumps(pending.to_dict()))) == pending
    assert MeanTest.from_dict(json.loads(json.dumps(tests[0].to_dict()))) == tests[0]


@pytest.mark.parametrize(("alpha", "tightest_at"), [(0.0, 1000.0), (1.0, 1000.0), (0.05, 0.0), (0.05, math.inf)])
def test_unusable_parameters_are_refused(alpha, tightest_at):
    with pytest.raises(InvalidInput):
        MeanTest.start(alpha, tightest_at=tightest_at)


@pytest.mark.parametrize("change", [{"pending": None}, {"weight": "x"}, {"alpha": 2.0}])
def test_a_damaged_dict_is_refused(change):
    with pytest.raises(InvalidInput):
        MeanTest.from_dict({**MeanTest.start(ALPHA).to_dict(), **change})


def _covers(test, difference):
    return test.bounds().lower <= difference <= test.bounds().upper


def _block(rng, rows, share, level0, level1):
    n1 = round(rows * share)
    champion = MeanEstimate.of(level0 + rng.normal(size=rows - n1))
    return Block(champion, MeanEstimate.of(level1 + rng.normal(size=n1)))
