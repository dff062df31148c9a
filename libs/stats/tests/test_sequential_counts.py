import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, gammaln
from scipy.stats import binom
from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.blocks import Block
from tidemill_stats.sequential.counts import CountTest
from tidemill_stats.sequential.ratio import SampleRatioTest, log_mixture

ALPHA = 0.05
RUNS = 1000


def at_most(runs):
    return binom.ppf(0.999, runs, ALPHA) / runs


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(0.001, 0.999))
def test_two_arms_give_the_ratio_of_beta_functions(k0, k1, share):
    expected = betaln(1 + k1, 1 + k0) - k1 * math.log(share) - k0 * math.log1p(-share)
    assert log_mixture((k0, k1), (1 - share, share)) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_type_i_error_of_a_ratio_is_at_most_alpha_when_looked_at_after_every_event(share):
    ones = np.cumsum(np.random.default_rng(1).random((RUNS, 5000)) < share, axis=1)
    zeros = np.arange(1, 5001) - ones
    log_e = betaln(1 + ones, 1 + zeros) - ones * np.log(share) - zeros * np.log1p(-share)
    assert np.mean(log_e.max(axis=1) >= -math.log(ALPHA)) <= at_most(RUNS)


def test_type_i_error_over_four_arms_is_at_most_alpha_when_looked_at_after_every_row():
    shares = np.array([0.7, 0.2, 0.05, 0.05])
    arms = np.random.default_rng(2).choice(4, p=shares, size=(RUNS, 2000))
    counts = np.cumsum(arms[..., None] == np.arange(4), axis=1)
    rows = np.arange(1, 2001)
    log_e = gammaln(4) - gammaln(4 + rows) + (gammaln(1 + counts) - counts * np.log(shares)).sum(axis=2)
    assert log_e[0, -1] == pytest.approx(log_mixture(counts[0, -1].tolist(), shares.tolist()))
    assert np.mean(log_e.max(axis=1) >= -math.log(ALPHA)) <= at_most(RUNS)


@pytest.mark.parametrize("ratio", [1.0, 1.5])
def test_bounds_cover_the_ratio_of_rates_at_all_looks_while_rates_swing(ratio):
    rng, runs, share, missed = np.random.default_rng(3), 200, 0.1, 0
    for _ in range(runs):
        test = CountTest.start(ALPHA, share)
        for hour in range(48):
            rate = 10 * (1.5 + math.sin(hour / 4))
            test = test.observe(Block(int(rng.poisson(rate * (1 - share))), int(rng.poisson(rate * share * ratio))))
        missed += not test.bounds().lower <= ratio - 1 <= test.bounds().upper
    assert missed / runs <= at_most(runs)


def test_a_candidate_that_fails_ten_times_as_often_is_seen_within_twenty_of_its_errors():
    rng, errors = np.random.default_rng(4), []
    for _ in range(100):
        test = CountTest.start(ALPHA, 0.05)
        while test.bounds().lower <= 0:
            candidate = rng.random() < 0.5 / 1.45
            test = test.observe(Block(int(not candidate), int(candidate)))
        errors.append(test.candidate)
    assert np.median(errors) <= 20


def test_bounds_are_where_the_mixture_reaches_one_in_alpha():
    test = CountTest.start(ALPHA, 0.3).observe(Block(40, 25))
    for border in (test.lower, test.upper):
        assert log_mixture((40, 25), (1 - border, border)) == pytest.approx(-math.log(ALPHA))
    assert test.bounds().effect == pytest.approx((25 / 0.3) / (40 / 0.7) - 1)


def test_without_events_of_an_arm_its_side_is_unbounded():
    assert CountTest.start(ALPHA, 0.5).observe(Block(0, 0)).bounds().upper == math.inf
    assert CountTest.start(ALPHA, 0.5).observe(Block(0, 30)).bounds().upper == math.inf
    assert CountTest.start(ALPHA, 0.5).observe(Block(30, 0)).bounds().lower == -1


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=8))
def test_bounds_never_widen_and_tests_survive_json(looks):
    counts, ratio = [CountTest.start(ALPHA, 0.3)], SampleRatioTest.start(ALPHA, (0.7, 0.3))
    for champion, candidate in looks:
        counts.append(counts[-1].observe(Block(champion, candidate)))
        ratio = ratio.observe((champion, candidate))
    assert all(b.lower >= a.lower and b.upper <= a.upper for a, b in pairwise(test.bounds() for test in counts))
    assert CountTest.from_dict(json.loads(json.dumps(counts[-1].to_dict()))) == counts[-1]
    assert SampleRatioTest.from_dict(json.loads(json.dumps(ratio.to_dict()))) == ratio


def test_a_mismatch_stays_one_when_later_rows_even_it_out():
    broken = SampleRatioTest.start(0.001, (0.9, 0.1)).observe((500, 150))
    assert broken.mismatch
    evened = broken.observe((850, 0))
    assert evened.mismatch
    assert evened.p_value == broken.p_value <= 0.001


def test_a_split_as_meant_is_no_mismatch():
    assert not SampleRatioTest.start(0.001, (0.9, 0.1)).observe((9000, 1000)).mismatch


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.4), (1.0, 0.0), (1.5, -0.5), (math.nan, 0.5)])
def test_shares_that_are_no_split_are_refused(shares):
    with pytest.raises(InvalidInput):
        SampleRatioTest.start(ALPHA, shares)


@pytest.mark.parametrize("counts", [(1,), (1, 2, 3), (1, -1)])
def test_counts_that_do_not_fit_the_arms_are_refused(counts):
    with pytest.raises(InvalidInput):
        SampleRatioTest.start(ALPHA, (0.5, 0.5)).observe(counts)


@pytest.mark.parametrize("share", [0.0, 1.0, math.nan])
def test_a_share_without_both_arms_is_refused(share):
    with pytest.raises(InvalidInput):
        CountTest.start(ALPHA, share)


def test_negative_events_are_refused():
    with pytest.raises(InvalidInput):
        CountTest.start(ALPHA, 0.5).observe(Block(-1, 0))


def test_damaged_dicts_are_refused():
    with pytest.raises(InvalidInput):
        CountTest.from_dict({**CountTest.start(ALPHA, 0.5).to_dict(), "candidate": None})
    with pytest.raises(InvalidInput):
        SampleRatioTest.from_dict({"alpha": ALPHA, "shares": [0.5, 0.5]})
