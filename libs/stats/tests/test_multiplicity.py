import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multiplicity import OnlineFdr, benjamini_hochberg, holm, step

p_value_lists = st.lists(st.floats(0, 1), max_size=30)


@given(p_value_lists)
def test_adjusted_p_values_agree_with_scipy(p_values):
    adjusted = benjamini_hochberg(p_values)
    if p_values:
        np.testing.assert_allclose(adjusted, false_discovery_control(p_values))
    else:
        assert adjusted.shape == (0,)


@given(p_value_lists, st.floats(0.001, 0.5))
def test_holm_rejects_step_by_step_from_the_smallest(p_values, level):
    rejected = set()
    for passed, index in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[index] * (len(p_values) - passed) > level:
            break
        rejected.add(index)
    assert set(np.flatnonzero(holm(p_values) <= level)) == rejected


@pytest.mark.parametrize("adjust", [benjamini_hochberg, holm, lambda p: step(OnlineFdr(0.1), p)])
def test_p_values_out_of_range_are_refused(adjust):
    for bad in ([1.1], [-0.1], [float("nan")], [[0.5]]):
        with pytest.raises(InvalidInput):
            adjust(bad)


def test_of_all_discoveries_ever_made_few_are_false_and_most_of_the_true_are_made():
    rng = np.random.default_rng(1)
    shares, found, there = [], 0, 0
    for _ in range(150):
        drifted = rng.random(300) < 0.2
        p_values = np.where(drifted, rng.random(300) * 1e-6, rng.random(300))
        _, rejected = step(OnlineFdr(0.1), p_values)
        shares.append(np.sum(rejected & ~drifted) / max(1, np.sum(rejected)))
        found, there = found + np.sum(rejected & drifted), there + drifted.sum()
    assert np.mean(shares) <= 0.1 + 3 * np.std(shares) / np.sqrt(150)
    assert found >= 0.9 * there


def test_without_any_drift_few_streams_ever_show_a_discovery():
    rng = np.random.default_rng(2)
    streams = sum(any(step(OnlineFdr(0.5), rng.random(300))[1]) for _ in range(300))
    assert 0 < streams <= 0.5 * 300


@given(p_value_lists, st.integers(0, 30))
def test_a_state_read_back_goes_on_as_if_never_written(p_values, cut):
    whole, rejected = step(OnlineFdr(0.2), p_values)
    state, first = step(OnlineFdr(0.2), p_values[:cut])
    state, second = step(OnlineFdr.from_dict(json.loads(json.dumps(state.to_dict()))), p_values[cut:])
    assert (state, first + second) == (whole, rejected)


@pytest.mark.parametrize(
    "values",
    [{}, {"level": 0.1, "tests": 1, "rejected": [2]}, {"level": 2, "tests": 0, "rejected": []}, {"level": "x"}],
)
def test_what_is_no_state_is_refused(values):
    with pytest.raises(InvalidInput):
        OnlineFdr.from_dict(values)
