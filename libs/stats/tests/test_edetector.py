import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson
from tidemill_stats.baseline import Baseline
from tidemill_stats.edetector import EDetector, EState, advance, first_alarms
from tidemill_stats.errors import InvalidInput

RUN_LENGTH = 50_000


def bernoulli(rng, rate, runs, rows):
    return (rng.random((runs, rows, 1)) < rate).astype(np.float64)


def alarms(detector, values, level_per_row, batch=500):
    """Rows at which a stream [n, F] alarms."""
    state, found = detector.start(), []
    for start in range(0, len(values), batch):
        state, changes = advance(detector, state, values[start : start + batch], level_per_row)
        found += [start + change.at for change in changes]
    return found


def delays(detector, before, after, run_length=RUN_LENGTH):
    found = first_alarms(detector, np.concatenate([before, after], axis=1), 1 / run_length)
    late = found[(found < 0) | (found > before.shape[1])]
    return np.where(late < 0, after.shape[1] + 1, late - before.shape[1])


@given(
    st.floats(0.01, 0.99),
    st.floats(0, 0.3),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    st.floats(1, 5),
)
def test_every_bet_is_an_e_value_for_any_two_point_distribution_within_the_bounds(centre, width, shape, design):
    low, high = max(0.001, centre - width / 2), min(0.999, centre + width / 2)
    detector = EDetector(Baseline(np.array([low]), np.array([high]), design_effect=np.array([design])), block=1)
    mean = low + shape[0] * (high - low)
    below, above = mean * shape[1], mean + (1 - mean) * shape[2]
    weight = 0.5 if above - below < 1e-9 else (mean - below) / (above - below)
    factors = detector.factors(np.array([[below], [above]]))[:, 0]
    assert np.all(factors >= 0)
    assert np.all((1 - weight) * factors[0] + weight * factors[1] <= 1 + 1e-9)


STREAM = st.lists(st.tuples(st.floats(-2, 2), st.just(float("nan")) | st.floats(-2, 2)), min_size=1, max_size=60)


@given(STREAM, st.lists(st.integers(1, 20), max_size=8), st.integers(1, 11))
def test_the_result_depends_on_the_stream_not_on_the_batches_nor_on_a_restart(rows, cuts, block):
    baseline = Baseline(np.array([-0.1, -0.3]), np.array([0.1, 0.0]), -1.0, 1.0, np.array([1.0, 2.0]))
    detector, values = EDetector(baseline, block=block), np.array(rows)
    whole, expected = advance(detector, detector.start(), values, 0.05)
    state, found, at = detector.start(), [], 0
    for size in [*cuts, len(values)]:
        state = EState.from_dict(json.loads(json.dumps(state.to_dict())), detector)
        state, changes = advance(detector, state, values[at : at + size], 0.05)
        found += [at + change.at for change in changes]
        at += size
    assert found == [change.at for change in expected]
    assert state.to_dict() == whole.to_dict()


def test_rows_on_the_baseline_and_missing_rows_only_add_up_their_levels():
    detector = EDetector(Baseline(np.array([0.5, 0.5]), np.array([0.5, 0.5])))
    state = detector.start()
    for rows, level in ((9, 1e-6), (1, 1e-3), (35, 1e-4), (0, 1e-4), (5, 1e-5)):
        values = np.full((rows, 2), 0.5)
        values[:, 1] = np.nan
        state, changes = advance(detector, state, values, level)
        assert not changes
    assert state.by_feature.sum() == pytest.approx(9 * 1e-6 + 1e-3 + 35 * 1e-4 + 5 * 1e-5)


def test_simulated_runs_alarm_where_the_detector_does():
    rng = np.random.default_rng(1)
    detector = EDetector(Baseline(np.array([0.2]), np.array([0.2])))
    streams = bernoulli(rng, 0.35, 20, 600)
    expected = [alarms(detector, one, 1e-3)[0] for one in streams]
    assert first_alarms(detector, streams, 1e-3).tolist() == expected
    assert first_alarms(detector, streams[:, :10], 1e-6).tolist() == [-1] * 20


def copies(rng, rows):
    return np.repeat(rng.standard_normal((rows, 1)), 20, axis=1)


def independent(rng, rows):
    return rng.standard_normal((rows, 20))


def skewed(rng, rows):
    return rng.exponential(size=(rows, 20)) - 1


def heavy_tailed(rng, rows):
    return rng.standard_t(1.5, size=(rows, 20))


@pytest.mark.parametrize("draw", [copies, independent, skewed, heavy_tailed])
def test_false_alarms_over_twenty_features_stay_within_what_was_asked(draw):
    """The reference is another sample of the same kind; asked: one alarm per 500 rows."""
    rng = np.random.default_rng(2)
    baseline = Baseline.sample(draw(rng, 20_000), low=-4, high=4)
    found = len(alarms(EDetector(baseline), draw(rng, 40_000), 1 / 500))
    assert poisson.sf(found - 1, 40_000 / 500) > 1e-4


def test_false_alarms_of_a_known_rate_are_near_what_was_asked():
    rng = np.random.default_rng(3)
    detector = EDetector(Baseline(np.array([0.2]), np.array([0.2])))
    found = sum(len(alarms(detector, one, 1 / 500)) for one in bernoulli(rng, 0.2, 4, 25_000))
    assert poisson.sf(found - 1, 100_000 / 500) > 1e-4
    assert found > 0.2 * 100_000 / 500


def test_autocorrelated_streams_keep_the_promise_with_their_design_effect_only():
    rng = np.random.default_rng(4)
    noise = rng.standard_normal((60_000, 5))
    for row in range(1, len(noise)):
        noise[row] = 0.6 * noise[row - 1] + 0.8 * noise[row]
    found = {}
    for design in (1.0, 4.0):
        baseline = Baseline.sample(noise[:20_000], low=-4, high=4, design_effect=design)
        found[design] = len(alarms(EDetector(baseline), noise[20_000:], 1 / 500))
    assert poisson.sf(found[4.0] - 1, 80) > 1e-4
    assert poisson.sf(found[1.0] - 1, 80) < 1e-4


@pytest.mark.parametrize(("rate", "median"), [(0.3, 500), (0.4, 160)])
@pytest.mark.parametrize("standard_error", [0.0, 0.004])
def test_a_rise_of_the_error_rate_is_seen_in_time(rate, median, standard_error):
    rng = np.random.default_rng(5)
    detector = EDetector(Baseline.estimated(np.array([0.2]), np.array([standard_error])))
    seen = delays(detector, bernoulli(rng, 0.2, 200, 1_000), bernoulli(rng, rate, 200, 2_000))
    assert np.median(seen) <= median


def test_a_shift_of_half_a_standard_deviation_in_one_of_twenty_features_is_seen_and_named():
    rng = np.random.default_rng(6)
    baseline = Baseline.sample(rng.standard_normal((10_000, 20)), low=-4, high=4)
    shifted = rng.standard_normal((40, 1_000, 20)) + 0.5 * (np.arange(20) == 7)
    assert np.median(delays(EDetector(baseline), rng.standard_normal((40, 200, 20)), shifted)) <= 500
    _, changes = advance(EDetector(baseline), EDetector(baseline).start(), shifted[0], 1 / RUN_LENGTH)
    assert np.argmax(changes[0].by_feature) == 7
    assert changes[0].by_feature.sum() == pytest.approx(1)


@pytest.mark.parametrize(("sides", "rate", "seen"), [("up", 0.5, True), ("up", 0.0, False), ("down", 0.0, True)])
def test_sides(sides, rate, seen):
    rng = np.random.default_rng(7)
    detector = EDetector(Baseline(np.array([0.2]), np.array([0.2])), sides)
    assert bool(alarms(detector, bernoulli(rng, rate, 1, 1_000)[0], 1e-5)) is seen


def test_a_detector_starts_anew_after_an_alarm():
    detector = EDetector(Baseline(np.array([0.2]), np.array([0.2])))
    found = alarms(detector, np.ones((200, 1)), 1e-5)
    assert len(found) > 2
    assert np.ptp(np.diff(found)) == 0


@settings(max_examples=25)
@given(st.integers(1, 400), st.floats(0.005, 0.5), st.integers(0, 2**32))
def test_exact_limits_of_a_rate_cover_it(rows, rate, seed):
    events = np.random.default_rng(seed).binomial(rows, rate, 2_000)
    bounds = {int(k): Baseline.rate(int(k), rows, confidence=0.9) for k in np.unique(events)}
    covered = np.mean([bounds[int(k)].mean_low[0] <= rate <= bounds[int(k)].mean_high[0] for k in events])
    assert covered >= 0.9 - 4 * (0.09 / 2_000) ** 0.5


def test_limits_of_the_means_of_a_sample_cover_all_features_together():
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(300):
        baseline = Baseline.sample(rng.random((500, 20)), low=0, high=1, confidence=0.9)
        covered += bool(np.all((baseline.mean_low <= 0.5) & (baseline.mean_high >= 0.5)))
    assert 0.85 <= covered / 300 <= 0.96


def test_missing_values_are_left_out_of_a_sample():
    values = np.array([[0.2, np.nan], [0.4, 0.5], [np.nan, 0.7]])
    centre = Baseline.sample(values, low=0, high=1)
    assert (centre.mean_low + centre.mean_high) / 2 == pytest.approx([0.3, 0.6], abs=0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Baseline(np.array([0.0]), np.array([0.5])),
        lambda: Baseline(np.array([0.6]), np.array([0.5])),
        lambda: Baseline(np.array([0.5, 0.5]), np.array([0.5])),
        lambda: Baseline(np.array([0.5]), np.array([0.5]), design_effect=np.array([0.9])),
        lambda: Baseline.estimated(np.array([0.5]), np.array([-0.1])),
        lambda: Baseline.estimated(np.array([1.5]), np.array([0.1])),
        lambda: Baseline.rate(5, 4),
        lambda: Baseline.sample(np.array([[1.0]]), low=0, high=2),
    ],
)
def test_impossible_baselines_are_refused(make):
    with pytest.raises(InvalidInput):
        make()


@pytest.mark.parametrize("options", [{"sides": "left"}, {"block": 0}, {"stakes": ()}, {"stakes": (1.0,)}])
def test_impossible_detectors_are_refused(options):
    with pytest.raises(InvalidInput):
        EDetector(Baseline(np.array([0.2]), np.array([0.2])), **options)


@pytest.mark.parametrize(("shape", "level"), [((5,), 0.1), ((5, 2), 0.1), ((5, 1), 0.0), ((5, 1), float("nan"))])
def test_batches_of_another_shape_or_level_are_refused(shape, level):
    detector = EDetector(Baseline(np.array([0.2]), np.array([0.2])))
    with pytest.raises(InvalidInput):
        advance(detector, detector.start(), np.zeros(shape), level)


@pytest.mark.parametrize(
    "change",
    [{"capital": None}, {"capital": [[0.0]]}, {"levels": [0.1]}, {"pending": [[0.1]] * 10, "levels": [0.1] * 10}],
)
def test_states_of_another_detector_are_refused(change):
    detector = EDetector(Baseline(np.array([0.2]), np.array([0.2])))
    with pytest.raises(InvalidInput):
        EState.from_dict({**detector.start().to_dict(), **change}, detector)
