import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill_stats import river_state
from tidemill_stats.detectors import DETECTORS, Detection, create, from_bytes
from tidemill_stats.errors import InvalidInput

OPTIONS = {
    "adwin": {"delta": 0.05},
    "page_hinkley": {"threshold": 5.0, "mode": "up"},
    "ddm": {"drift_threshold": 2.5},
    "hddm_a": {"two_sided_test": True},
    "hddm_w": {"lambda_val": 0.1},
    "e_detector": {"mean": 0.2, "mean_run_length": 200.0},
}


def errors(seed, *phases):
    rng = np.random.default_rng(seed)
    return np.concatenate([(rng.random(rows) < rate).astype(np.float64) for rate, rows in phases])


def play(detector, values, batch=7):
    return [detector.update(values[start : start + batch]) for start in range(0, len(values), batch)]


@pytest.mark.parametrize("name", DETECTORS)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    rates=st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=4),
    cut=st.integers(0, 600),
)
def test_a_restored_detector_answers_exactly_as_the_original(name, seed, rates, cut):
    values = errors(seed, *((rate, 150) for rate in rates))
    original = create(name, **OPTIONS[name])
    play(original, values[:cut])
    restored = from_bytes(original.to_bytes())
    assert play(restored, values[cut:]) == play(original, values[cut:])
    assert restored.to_bytes() == original.to_bytes()


@pytest.mark.parametrize("name", DETECTORS)
def test_a_jump_of_the_error_rate_is_seen_where_it_is_and_not_before(name):
    detector = create(name, **{"e_detector": {"mean": 0.1}, "ddm": {"drift_threshold": 5.0}}.get(name, {}))
    before, after = play(detector, errors(1, (0.1, 600))), detector.update(errors(2, (0.9, 400)))
    assert not any(one.changed for one in before)
    assert (after.changed, after.state) == (True, "drift")
    assert 1 < after.at < 200


@pytest.mark.parametrize("name", DETECTORS)
def test_the_estimate_is_the_mean_of_the_present_regime(name):
    detector = create(name, **({"mean": 0.3} if name == "e_detector" else {}))
    assert detector.update(np.empty(0)) == Detection(False, None, "stable", None)
    assert detector.update(errors(3, (0.3, 1_000))).estimate == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("name", ["ddm", "hddm_a", "hddm_w", "e_detector"])
def test_a_warning_comes_before_the_drift(name):
    detector = create(name, **({"mean": 0.1} if name == "e_detector" else {}))
    play(detector, errors(4, (0.1, 400)))
    states = [one.state for one in play(detector, errors(5, (0.4, 600)), batch=1)]
    assert "warning" in states[: states.index("drift")]


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("values", [np.array([np.nan]), np.array([np.inf]), np.ones((2, 2))])
def test_values_that_are_no_stream_are_refused(name, values):
    with pytest.raises(InvalidInput):
        create(name, **OPTIONS[name]).update(values)


@pytest.mark.parametrize("name", ["ddm", "hddm_a", "hddm_w"])
def test_binary_detectors_take_losses_from_0_to_1_only(name):
    with pytest.raises(InvalidInput):
        create(name).update(np.array([0.0, 1.5]))


@pytest.mark.parametrize(
    ("name", "options"),
    [("kswin", {}), ("adwin", {"speed": 2}), ("e_detector", {}), ("page_hinkley", {"mode": "left"})],
)
def test_unknown_names_and_options_are_refused(name, options):
    with pytest.raises(InvalidInput):
        create(name, **options)


@pytest.mark.parametrize("name", DETECTORS)
@given(at=st.integers(0, 10_000), bits=st.integers(1, 255))
def test_damaged_state_is_refused(name, at, bits):
    data = bytearray(create(name, **OPTIONS[name]).to_bytes())
    data[at % len(data)] ^= bits
    with pytest.raises(InvalidInput):
        from_bytes(bytes(data))


@pytest.mark.parametrize("name", DETECTORS)
def test_state_is_json_behind_its_checksum_and_has_no_pickle(name):
    detector = create(name, **OPTIONS[name])
    detector.update(errors(6, (0.3, 50)))
    body = json.loads(detector.to_bytes()[8:], parse_constant=pytest.fail)
    assert set(body) == {"name", "river", "options", "state"}


def test_the_state_of_unknown_objects_is_not_taken():
    with pytest.raises(InvalidInput):
        river_state.dump(object())
    with pytest.raises(InvalidInput):
        river_state.load(create("ddm")._inner, {"_p": 0.5})
    with pytest.raises(InvalidInput):
        river_state.load(create("adwin")._inner, {**river_state.dump(create("adwin")._inner), "_helper": {"bytes": ""}})
