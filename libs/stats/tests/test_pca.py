from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.decomposition import PCA
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import InvalidInput
from tidemill_stats.pca import fit_pca, pca_shift
from tidemill_stats.performance import MeanEstimate

LOADINGS = np.random.default_rng(0).normal(size=(3, 8))


def columns(rng, rows, broken=False, heavy=False):
    z = rng.normal(size=(rows, 3)) @ LOADINGS
    noise = rng.standard_t(3, size=z.shape) if heavy else rng.normal(size=z.shape)
    z = z + 0.4 * noise
    if broken:
        z[:, 0] = rng.permutation(z[:, 0])
    return {f"x{index}": z[:, index] for index in range(8)}


RNG = np.random.default_rng(1)
TRAINING = columns(RNG, 8000, heavy=True)
ENCODING = Encoding.fit(TRAINING)
MATRIX = ENCODING.encode(TRAINING)
REFERENCE = fit_pca(MATRIX, ENCODING, seed=4)


def errors(rng, rows, **options):
    return MeanEstimate.of(REFERENCE.errors(ENCODING.encode(columns(rng, rows, **options))))


def test_components_explain_the_variance_asked_for_and_no_more():
    matrix = MATRIX.astype(np.float64)
    shares = np.cumsum(PCA().fit(matrix).explained_variance_ratio_)
    assert len(REFERENCE.components) == int(np.searchsorted(shares, 0.9)) + 1


def test_errors_are_those_of_reconstruction():
    pca = PCA(len(REFERENCE.components)).fit(MATRIX.astype(np.float64))
    expected = np.square(MATRIX - pca.inverse_transform(pca.transform(MATRIX))).sum(axis=1)
    found = np.expm1(REFERENCE.errors(MATRIX)) * REFERENCE.scale
    assert np.corrcoef(found, expected)[0, 1] > 0.99
    assert found.mean() == pytest.approx(expected.mean(), rel=0.1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6), st.randoms())
def test_sums_of_errors_are_the_same_bits_however_rows_are_cut_and_ordered(cuts, random):
    order = list(range(300))
    random.shuffle(order)
    merged = MeanEstimate()
    for part in np.split(MATRIX[:300][order], sorted(cuts)):
        merged = MeanEstimate.of(REFERENCE.errors(part)) + merged
    assert merged == MeanEstimate.of(REFERENCE.errors(MATRIX[:300]))


@pytest.mark.parametrize("rows", [50, 500])
def test_p_values_hold_their_level_without_drift(rows):
    runs, rng = 3000, np.random.default_rng(rows)
    pool = REFERENCE.errors(ENCODING.encode(columns(rng, 100_000, heavy=True)))
    held_out = (MeanEstimate.of(rng.choice(pool, 4000)) for _ in range(runs))
    references = (replace(REFERENCE, error=error) for error in held_out)
    p = np.array([pca_shift(one, MeanEstimate.of(rng.choice(pool, rows))).p_value for one in references])
    for level in (0.1, 0.01, 0.001):
        assert np.count_nonzero(p <= level) <= binom.isf(1e-3, runs, 1.2 * level)
    assert np.count_nonzero(p <= 0.1) >= binom.ppf(1e-3, runs, 0.08)


def test_a_broken_correlation_is_found_though_no_feature_has_moved():
    result = pca_shift(REFERENCE, errors(np.random.default_rng(2), 2000, heavy=True, broken=True))
    assert result.p_value < 1e-6
    assert result.effect > 0.1


def test_rows_nearer_than_before_are_found_with_a_negative_effect():
    result = pca_shift(REFERENCE, errors(np.random.default_rng(2), 1000, heavy=False))
    assert result.p_value < 1e-6
    assert result.effect < 0


def test_a_design_effect_counts_rows_that_often():
    window = errors(np.random.default_rng(3), 200, heavy=True, broken=True)
    plain, counted = (pca_shift(REFERENCE, window, design_effect=d) for d in (1.0, 4.0))
    assert counted.statistic == pytest.approx(plain.statistic / 2)
    assert counted.p_value > plain.p_value


def test_too_few_rows_are_no_evidence():
    assert pca_shift(REFERENCE, MeanEstimate()).p_value == 1.0
    assert pca_shift(REFERENCE, errors(np.random.default_rng(2), 29, broken=True)).p_value == 1.0


def test_a_reference_without_residuals_is_left_only_by_a_change():
    line = {"x": np.arange(100.0), "y": np.arange(100.0)}
    encoding = Encoding.fit(line)
    reference = fit_pca(encoding.encode(line), encoding, seed=0)
    off = encoding.encode({"x": np.arange(100.0), "y": np.arange(100.0)[::-1].copy()})
    assert pca_shift(reference, MeanEstimate.of(reference.errors(encoding.encode(line)))).p_value > 0.01
    assert pca_shift(reference, MeanEstimate.of(reference.errors(off))).p_value < 1e-6


def test_the_same_seed_gives_the_same_reference():
    again = fit_pca(MATRIX, ENCODING, seed=4)
    assert np.array_equal(again.components, REFERENCE.components)
    assert again.error == REFERENCE.error


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInput):
        REFERENCE.errors(MATRIX[:, 1:])
    with pytest.raises(InvalidInput):
        fit_pca(MATRIX[:3], ENCODING, seed=0)
    with pytest.raises(InvalidInput):
        fit_pca(MATRIX, ENCODING, seed=0, variance=0.0)
    with pytest.raises(InvalidInput):
        pca_shift(REFERENCE, MeanEstimate(), design_effect=0.5)
