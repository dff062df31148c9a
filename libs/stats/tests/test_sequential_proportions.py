import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.betting import Counts, block_evidence
from tidemill_stats.sequential.blocks import Block, Proportion
from tidemill_stats.sequential.projection import project
from tidemill_stats.sequential.proportions import ProportionTest, difference_grid

ALPHA = 0.05
SIDED = math.log(2 / ALPHA)
inside = st.floats(1e-4, 1 - 1e-4)


def at_most(runs, rate=ALPHA):
    return binom.ppf(0.999, runs, rate) / runs


@given(inside, inside, st.integers(1, 1000), st.integers(1, 1000), st.floats(-0.95, 0.95), st.floats(0, 1))
def test_the_expected_e_value_of_a_block_is_at_most_one_for_every_pair_with_the_difference(p0, p1, n0, n1, diff, at):
    null0 = float(project(*(np.float64(value) for value in (p0, p1, n0, n1, diff))))
    true0 = max(0.0, -diff) + at * (min(1.0, 1 - diff) - max(0.0, -diff))
    log_expected = n0 * _log_mean_ratio(true0, p0, null0) + n1 * _log_mean_ratio(true0 + diff, p1, null0 + diff)
    assert log_expected <= 1e-9


def test_type_i_error_is_at_most_alpha_when_looked_at_after_every_observation_where_the_z_test_is_far_above():
    runs, rows = 400, 5000
    peeked, z_test = _simulate(np.random.default_rng(1), runs, rows, 0.2)
    assert peeked <= at_most(runs)
    assert z_test > 0.2


@pytest.mark.parametrize("difference", [0.0, 0.013, -0.04])
def test_bounds_cover_the_true_difference_at_all_looks_while_both_proportions_drift_and_the_share_grows(difference):
    rng, runs, missed = np.random.default_rng(2), 120, 0
    for _ in range(runs):
        test = ProportionTest.start(ALPHA, 0.02)
        for level, share in zip(np.linspace(0.6, 0.9, 25), np.linspace(0.1, 0.5, 25), strict=True):
            test = test.observe(_block(rng, 80, level, level + difference, share))
        missed += not test.bounds().lower < difference < test.bounds().upper
    assert missed / runs <= at_most(runs)


def test_every_true_claim_about_the_grid_holds_over_a_long_stream():
    rng, runs, grid = np.random.default_rng(3), 300, difference_grid(0.05)
    log_e = np.zeros((2, runs, grid.size))
    past = Counts(*np.zeros((4, runs, 1)))
    worst = np.zeros((2, runs, grid.size))
    for _ in range(150):
        block = _blocks(rng, runs, 60, 0.3, 0.33)
        log_e += np.stack(block_evidence(past, block, grid))
        worst = np.maximum(worst, log_e)
        past = Counts(*(a + b for a, b in zip(past, block, strict=True)))
    greater, less = (worst >= SIDED).mean(axis=1)
    assert max(greater[grid >= 0.03]) <= at_most(runs, ALPHA / 2)
    assert max(less[grid <= 0.03]) <= at_most(runs, ALPHA / 2)
    assert greater[np.searchsorted(grid, -0.05)] > 0.9


@pytest.mark.parametrize(("difference", "fixed_horizon"), [(0.05, 1803), (0.02, 12_060)])
def test_median_rows_to_a_decision_are_within_half_again_of_the_fixed_horizon_of_a_z_test(difference, fixed_horizon):
    rng, runs, rows = np.random.default_rng(4), 200, max(20, fixed_horizon // 50)
    log_e, past = np.zeros(runs), Counts(*np.zeros((4, runs)))
    decided = np.full(runs, np.inf)
    for look in range(200):
        block = _blocks(rng, runs, rows, 0.8, 0.8 + difference, columns=False)
        log_e += block_evidence(past, block, np.float64(0)).greater
        past = Counts(*(a + b for a, b in zip(past, block, strict=True)))
        decided = np.minimum(decided, np.where(log_e >= SIDED, (look + 1) * rows, np.inf))
    assert np.median(decided) <= 1.5 * fixed_horizon


def test_one_large_block_after_a_small_one_does_not_ruin_the_evidence():
    test = ProportionTest.start(ALPHA, 0.02)
    blocks = [(3, 10, 7, 10), (6000, 10_000, 6000, 10_000), (6000, 10_000, 6500, 10_000), (6000, 10_000, 6500, 10_000)]
    for k0, n0, k1, n1 in blocks:
        test = test.observe(Block(Proportion(k0, n0), Proportion(k1, n1)))
    assert test.bounds().lower >= 0


def test_rows_of_one_arm_wait_for_the_other():
    start = ProportionTest.start(ALPHA, 0.1)
    once = start.observe(Block(Proportion(3, 5), Proportion())).observe(Block(Proportion(1, 2), Proportion(2, 4)))
    assert once == start.observe(Block(Proportion(4, 7), Proportion(2, 4)))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), inside, inside)
def test_bounds_never_widen_and_tests_survive_json(seed, p0, p1):
    rng = np.random.default_rng(seed)
    tests = [ProportionTest.start(ALPHA, 0.05)]
    for _ in range(8):
        tests.append(tests[-1].observe(_block(rng, 60, p0, p1, 0.5)))
        p0, p1 = p1, p0
    for before, after in pairwise(test.bounds() for test in tests):
        assert after.lower >= before.lower
        assert after.upper <= before.upper
    assert ProportionTest.from_dict(json.loads(json.dumps(tests[-1].to_dict()))) == tests[-1]


@pytest.mark.parametrize("margin", [0.003, 0.01, 0.3, 0.9])
def test_the_grid_holds_zero_and_the_margin_and_is_symmetric(margin):
    grid = difference_grid(margin)
    assert {0.0, margin, -margin} <= set(grid.tolist())
    assert grid.tolist() == sorted((-grid).tolist())
    assert np.all(np.abs(grid) < 1)


@pytest.mark.parametrize(("alpha", "margin"), [(0, 0.1), (1, 0.1), (0.05, 0), (0.05, 1), (math.nan, 0.1)])
def test_unusable_parameters_are_refused(alpha, margin):
    with pytest.raises(InvalidInput):
        ProportionTest.start(alpha, margin)


@pytest.mark.parametrize("change", [{"past": None}, {"greater": [0.0]}, {"alpha": "x"}, {"pending": [1, 0, 0, 0]}])
def test_a_damaged_dict_is_refused(change):
    with pytest.raises(InvalidInput):
        ProportionTest.from_dict({**ProportionTest.start(ALPHA, 0.1).to_dict(), **change})


def _log_mean_ratio(true, alternative, null):
    return math.log(true * alternative / null + (1 - true) * (1 - alternative) / (1 - null))


def _block(rng, rows, p0, p1, share):
    n1 = int(np.clip(rng.binomial(rows, share), 1, rows - 1))
    champion = Proportion(int(rng.binomial(rows - n1, p0)), rows - n1)
    return Block(champion, Proportion(int(rng.binomial(n1, p1)), n1))


def _blocks(rng, runs, rows, p0, p1, *, columns=True):
    n1 = np.clip(rng.binomial(rows, 0.5, (runs, 1) if columns else runs), 1, rows - 1)
    return Counts(*map(np.float64, (rng.binomial(rows - n1, p0), rows - n1, rng.binomial(n1, p1), n1)))


def _simulate(rng, runs, rows, proportion):
    """Shares of runs that reject equality at any look: ours after every row, the z-test after every hundred."""
    arms, hits = rng.random((rows, runs)) < 0.5, rng.random((rows, runs)) < proportion
    log_e, past, pending = np.zeros((2, runs)), np.zeros((4, runs)), np.zeros((4, runs))
    ours, theirs = np.zeros(runs, dtype=bool), np.zeros(runs, dtype=bool)
    for row, (arm, hit) in enumerate(zip(arms, hits, strict=True)):
        pending += np.stack([hit & ~arm, ~arm, hit & arm, arm])
        ready = (pending[1] > 0) & (pending[3] > 0)
        log_e[:, ready] += block_evidence(Counts(*past[:, ready]), Counts(*pending[:, ready]), np.float64(0))
        past[:, ready] += pending[:, ready]
        pending[:, ready] = 0
        ours |= log_e.max(axis=0) >= SIDED
        if row % 100 == 99:
            k0, n0, k1, n1 = past + pending
            pooled = (k0 + k1) / (n0 + n1)
            z = (k1 / n1 - k0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
            theirs |= np.abs(z) >= 1.96
    return ours.mean(), theirs.mean()
