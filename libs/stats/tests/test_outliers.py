import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import InvalidInput
from tidemill_stats.outliers import HalfSpaceForest, fit_outliers, outlier_rate_test

WIDTH = 20


def columns(rng, rows, planted=0):
    z = 0.6 * rng.normal(size=(rows, 1)) + 0.8 * rng.normal(size=(rows, WIDTH))
    for row in range(planted):
        wild = rng.choice(WIDTH, 3, replace=False)
        z[row, wild] = rng.choice([-1, 1], 3) * rng.uniform(3, 5, 3)
    return {f"x{index:02}": z[:, index] for index in range(WIDTH)}


RNG = np.random.default_rng(1)
TRAINING = columns(RNG, 20_000)
ENCODING = Encoding.fit(TRAINING)
MATRIX = ENCODING.encode(TRAINING)
REFERENCE = fit_outliers(MATRIX, ENCODING, seed=3)


def test_planted_outliers_score_higher_than_an_isolation_forest_scores_them():
    matrix = ENCODING.encode(columns(np.random.default_rng(2), 2000, planted=500))
    planted = np.arange(2000) < 500
    ours = roc_auc_score(planted, REFERENCE.forest.score(matrix))
    theirs = roc_auc_score(planted, -IsolationForest(random_state=0).fit(MATRIX[:10_000]).score_samples(matrix))
    assert ours > 0.97
    assert ours > theirs


def test_scores_lie_in_0_to_1_and_rise_with_the_distance():
    distances = np.linspace(0, 10, 6)[:, None] * np.ones(WIDTH)
    scores = REFERENCE.forest.score(distances.astype(np.float32))
    assert np.all((scores >= 0) & (scores <= 1))
    assert scores[-1] > scores[2] > scores[0]
    assert scores[-1] > 0.8


def test_one_row_in_a_hundred_is_an_outlier():
    assert REFERENCE.outliers / REFERENCE.rows == pytest.approx(0.01, abs=1e-4)
    fresh = ENCODING.encode(columns(np.random.default_rng(5), 20_000))
    assert REFERENCE.count(fresh) / 20_000 == pytest.approx(0.01, abs=0.003)


def test_a_tree_sends_rows_above_the_threshold_right():
    forest = HalfSpaceForest([[0, 1, 1]], [[0.0, 1.0, 2.0]], [[0, 3, 7, 90]])
    rows = np.array([[0.0, 1.0], [0.0, 1.5], [0.5, 2.0], [0.5, 2.5]], dtype=np.float32)
    expected = 1 - np.log1p([0, 3, 7, 90]) / np.log(101)
    assert forest.score(rows) == pytest.approx(expected, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6))
def test_rows_score_alike_alone_and_together(cuts):
    parts = [REFERENCE.forest.score(part) for part in np.split(MATRIX[:300], sorted(cuts))]
    assert np.array_equal(np.concatenate(parts), REFERENCE.forest.score(MATRIX[:300]))


def test_the_same_seed_gives_the_same_forest():
    again = fit_outliers(MATRIX, ENCODING, seed=3)
    assert np.array_equal(again.forest.masses, REFERENCE.forest.masses)
    assert again.threshold == REFERENCE.threshold


@given(st.integers(0, 60), st.integers(60, 500), st.integers(0, 200), st.integers(200, 5000))
def test_the_rate_test_is_fishers(outliers, rows, known, total):
    expected = fisher_exact([[outliers, rows - outliers], [known, total - known]], alternative="greater").pvalue
    assert outlier_rate_test(outliers, rows, known, total).p_value == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_rate_test_holds_its_level_with_a_threshold_taken_from_the_reference():
    runs, rows, rng = 20_000, 300, np.random.default_rng(7)
    reference = np.sort(rng.random((runs, 500)), axis=1)
    outliers = (rng.random((runs, rows)) > reference[:, -6:-5]).sum(axis=1)
    p = np.array([outlier_rate_test(k, rows, 5, 500).p_value for k in range(outliers.max() + 1)])[outliers]
    for level in (0.1, 0.01, 0.001):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level / runs)
    assert np.mean(p <= 0.1) > 0.05


def test_three_times_the_outliers_are_found_and_fewer_are_not():
    more, fewer = outlier_rate_test(30, 1000, 100, 10_000), outlier_rate_test(2, 1000, 100, 10_000)
    assert more.p_value < 1e-5
    assert more.effect == pytest.approx(0.02)
    assert fewer.p_value > 0.9
    assert fewer.effect == pytest.approx(-0.008)


def test_a_design_effect_weakens_the_evidence():
    plain, counted = (outlier_rate_test(30, 1000, 100, 10_000, design_effect=d) for d in (1.0, 3.0))
    assert plain.p_value < counted.p_value < 0.1
    assert plain.effect == counted.effect


def test_without_rows_there_is_no_evidence():
    assert outlier_rate_test(0, 0, 10, 1000).p_value == 1.0
    assert outlier_rate_test(5, 5, 0, 0).p_value == 1.0


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInput):
        outlier_rate_test(6, 5, 1, 10)
    with pytest.raises(InvalidInput):
        REFERENCE.forest.score(MATRIX[:, :3])
    with pytest.raises(InvalidInput):
        HalfSpaceForest([[0, 1]], [[0.0, 1.0]], [[1, 2, 3]])
    with pytest.raises(InvalidInput):
        fit_outliers(MATRIX[:2], ENCODING, seed=0)
