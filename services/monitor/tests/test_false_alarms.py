"""Realised rates of false alarms and p-values, simulated."""

import math

import numpy as np
import pytest
from scipy.stats import binom
from simulated import World, reference, rows_of
from tidemill_monitor.domain.estimates import estimate, estimated_rise
from tidemill_monitor.domain.merged import Part
from tidemill_monitor.domain.monitors.loss import cluster_error, overdispersion, rise
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.scores import ScoreSums

EVERYTHING = {"min_effect": 0, "persistence": 1}


def test_no_more_windows_raise_a_false_alarm_than_was_asked() -> None:
    """The highest level there is, .05 a window, with no help of persistence, effect or cooldown."""
    kinds = (
        "input_drift",
        "multivariate_drift",
        "prediction_drift",
        "performance",
        "estimated_performance",
        "outliers",
    )
    settings = dict.fromkeys(kinds, EVERYTHING) | {"cooldown": "0s", "data_skew": None, "slices": ["c"]}
    world = World(settings=settings | {"false_alarms": {"observations": 1000, "period": "1d"}}, seed=11)
    world.days(range(120))
    false = {alarm.until.ToMicroseconds() for alarm in world.alarms}
    assert len(false) <= binom.ppf(0.999, 120, 0.05)


def losses(rng: np.random.Generator, windows: int, rows: int, spread: float) -> list[MeanEstimate]:
    """Exponential losses of mean 1 whose windows differ by `spread`."""
    return [MeanEstimate.of(rng.exponential(1.0, rows) * rng.uniform(1 - spread, 1 + spread)) for _ in range(windows)]


@pytest.mark.parametrize(("windows", "spread"), [(1, 0.0), (4, 0.0), (16, 0.0), (16, 0.4)])
def test_a_loss_that_has_not_risen_is_seldom_said_to_have(windows: int, spread: float) -> None:
    rng = np.random.default_rng(5)
    promise = MeanEstimate.of(rng.exponential(1.0, 50_000))
    found = [rise(losses(rng, windows, 300, spread), promise, 1.0) for _ in range(1500)]
    p_values = np.array([one.p_value for one in found if one is not None])
    for level in (0.05, 0.005):
        assert np.count_nonzero(p_values <= level) <= binom.ppf(0.9995, 1500, level)


def test_windows_that_differ_make_a_naive_error_too_small_and_the_robust_one_right() -> None:
    rng = np.random.default_rng(1)
    runs = [losses(rng, 16, 300, 0.4) for _ in range(400)]
    actual = float(np.std([sum(one, MeanEstimate()).mean for one in runs]))
    robust = float(np.mean([cluster_error(one) for one in runs]))
    naive = float(np.mean([sum(one, MeanEstimate()).standard_error for one in runs]))
    assert robust == pytest.approx(actual, rel=0.15)
    assert naive < 0.4 * actual
    assert overdispersion(runs[0]) > 5


def test_independent_rows_are_not_overdispersed() -> None:
    rng = np.random.default_rng(2)
    assert np.mean([overdispersion(losses(rng, 12, 300, 0.0)) for _ in range(100)]) < 1.3


def test_a_few_windows_have_no_robust_error() -> None:
    rng = np.random.default_rng(3)
    assert cluster_error(losses(rng, 4, 100, 0.0)) is None
    assert overdispersion(losses(rng, 4, 100, 0.0)) == 1.0


def test_a_rise_is_a_share_of_the_promise() -> None:
    rng = np.random.default_rng(4)
    now, promise = MeanEstimate.of(rng.exponential(1.3, 5000)), MeanEstimate.of(rng.exponential(1.0, 5000))
    found = rise([now], promise, 1.0)
    assert found is not None
    assert found.share == pytest.approx(0.3, abs=0.06)
    assert found.p_value < 1e-9
    wary = rise([now], promise, 100.0)
    assert wary is not None
    assert wary.p_value > found.p_value


def test_a_few_rows_promise_and_show_nothing() -> None:
    many, few = MeanEstimate.of(np.ones(100)), MeanEstimate.of(np.ones(10))
    assert rise([few], many, 1.0) is None
    assert rise([many], few, 1.0) is None


def test_losses_without_variance_differ_for_sure_or_not_at_all() -> None:
    zero, one = MeanEstimate.of(np.zeros(50)), MeanEstimate.of(np.ones(50))
    worse, same = rise([one], zero, 1.0), rise([zero], zero, 1.0)
    assert worse is not None
    assert same is not None
    assert (worse.p_value, worse.share, same.p_value) == (0.0, 1.0, 1.0)


def part_of(rows: int, seed: int, sure: float = 1.0) -> tuple[Part, np.ndarray, np.ndarray]:
    made = rows_of(rows, seed)
    scores = 0.5 + (made.answers[:, 2] - 0.5) * sure
    sums = ScoreSums.of(scores)
    return Part(rows, scores=sums.counts, score_log_odds=sums.log_odds, score_base=sums.base), scores, made.labels


def test_answers_like_those_on_the_test_rows_promise_no_rise() -> None:
    known = reference()
    found = [estimated_rise(known, part_of(500, seed)[0], "log_loss", 0.54, 1.0) for seed in range(300)]
    p_values = np.array([one.p_value for one in found if one is not None])
    assert p_values.size == 300
    assert np.count_nonzero(p_values <= 0.01) <= binom.ppf(0.9995, 300, 0.01)


@pytest.mark.parametrize("metric", ["log_loss", "error_rate"])
def test_the_estimate_is_near_what_labels_show(metric: str) -> None:
    part, scores, labels = part_of(20_000, 3)
    found = estimate(reference(), part, metric)
    assert found is not None
    truth = np.where(labels == 1, scores, 1 - scores)
    realised = float(-np.log(truth).mean()) if metric == "log_loss" else float((truth < 0.5).mean())
    low, high = found.interval(0.999)
    assert low < realised < high
    assert math.isclose(found.mean, realised, abs_tol=0.02)


def test_there_is_no_estimate_without_scores() -> None:
    assert estimate(reference(), Part(100), "log_loss") is None
    assert estimate(None, part_of(10, 1)[0], "log_loss") is None
    assert estimated_rise(reference(), Part(100), "log_loss", 0.5, 1.0) is None
