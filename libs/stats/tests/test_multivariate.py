import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.multivariate import KernelSums, fit_kernel, kernel_design_effect, kernel_shift
from tidemill_stats.tails import weighted_chi_square_tail


def columns(rng, rows, correlation=0.0, shift=0.0):
    z = rng.normal(size=(rows, 6))
    z[:, 1] = correlation * z[:, 0] + np.sqrt(1 - correlation**2) * z[:, 1]
    z[:, 2] += shift
    numbers = {f"x{index}": z[:, index] for index in range(6)}
    return {
        **numbers,
        "rain": np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(size=rows)),
        "c": rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1]).astype(object),
    }


RNG = np.random.default_rng(1)
TRAINING = columns(RNG, 8000)
ENCODING = Encoding.fit(TRAINING)
MATRIX = ENCODING.encode(TRAINING)
REFERENCE = fit_kernel(MATRIX, ENCODING, seed=5)


def sums(rng, rows, **options):
    return REFERENCE.sums(ENCODING.encode(columns(rng, rows, **options)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6), st.randoms())
def test_sums_are_the_same_bits_however_rows_are_cut_and_ordered(cuts, random):
    order = list(range(300))
    random.shuffle(order)
    merged = REFERENCE.sums(MATRIX[:0])
    for part in np.split(MATRIX[:300][order], sorted(cuts)):
        merged = REFERENCE.sums(part) + merged
    assert merged == REFERENCE.sums(MATRIX[:300])


def test_the_embedding_of_the_training_rows_is_the_reference():
    whole = REFERENCE.sums(MATRIX)
    assert whole.mean == pytest.approx(REFERENCE.mean)
    assert kernel_shift(REFERENCE, whole).effect == 0.0


def test_random_features_approximate_the_gaussian_kernel():
    wide = fit_kernel(MATRIX[:500], ENCODING, seed=2, size=1024)
    one, other = (wide.sums(MATRIX[row : row + 1]).mean for row in (0, 1))
    distances = np.linalg.norm(MATRIX[:500, None] - MATRIX[None, :500], axis=2)
    bandwidth = np.median(distances[np.triu_indices(500, 1)])
    expected = np.exp(-(np.linalg.norm(MATRIX[0] - MATRIX[1]) ** 2) / (2 * bandwidth**2))
    assert one @ other == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("rows", [100, 500])
def test_p_values_hold_their_level_without_drift(rows):
    runs, rng = 1500, np.random.default_rng(rows)
    p = np.array([kernel_shift(REFERENCE, sums(rng, rows)).p_value for _ in range(runs)])
    for level in (0.1, 0.01, 0.001):
        assert np.count_nonzero(p <= level) <= binom.isf(1e-3, runs, 1.2 * level)
    assert np.count_nonzero(p <= 0.1) >= binom.ppf(1e-3, runs, 0.08)


@pytest.mark.parametrize(("rows", "levels"), [(100, (0.05, 0.01, 1e-3, 1e-4)), (400, (0.05, 0.01, 1e-3))])
def test_p_values_agree_with_permutations_far_in_the_tail(rows, levels):
    """Each permutation of the training rows cuts them into windows, each tested against the other rows."""
    total, rng = MATRIX.shape[0], np.random.default_rng(rows)
    phases = (MATRIX.astype(np.float64) @ REFERENCE.frequencies).astype(np.float32)
    features = np.concatenate([np.cos(phases), np.sin(phases)], axis=1) / np.sqrt(np.float32(phases.shape[1]))
    features -= features.mean(axis=0)
    squared = np.concatenate(
        [
            np.square(features[rng.permutation(total)].reshape(-1, rows, REFERENCE.size).mean(axis=1)).sum(axis=1)
            for _ in range(800)
        ]
    )
    statistics = squared * rows * total / (total - rows)
    for level in levels:
        limit = float(np.quantile(statistics, 1 - level))
        error = 4 / np.sqrt(level * statistics.size)
        assert weighted_chi_square_tail(limit, REFERENCE.weights) == pytest.approx(level, rel=max(0.1, error))


def test_a_shift_of_one_feature_and_a_change_between_features_are_found():
    rng = np.random.default_rng(3)
    assert kernel_shift(REFERENCE, sums(rng, 500, shift=0.5)).p_value < 1e-6
    assert kernel_shift(REFERENCE, sums(rng, 4000, correlation=0.9)).p_value < 1e-4


def test_effects_of_windows_of_different_sizes_compare():
    rng = np.random.default_rng(4)
    small, large = (
        np.mean([kernel_shift(REFERENCE, sums(rng, rows, shift=1.0)).effect for _ in range(10)]) for rows in (200, 4000)
    )
    assert small == pytest.approx(large, rel=0.15)
    assert np.mean([kernel_shift(REFERENCE, sums(rng, 200)).effect for _ in range(40)]) < 0.2 * small


def test_a_design_effect_counts_rows_that_often():
    window = sums(np.random.default_rng(6), 400, shift=0.2)
    plain, counted = (kernel_shift(REFERENCE, window, design_effect=d) for d in (1.0, 3.0))
    assert counted.statistic == pytest.approx(plain.statistic / 3)
    assert counted.p_value > plain.p_value


def test_the_design_effect_of_rows_that_come_in_blocks_is_found():
    rng = np.random.default_rng(8)
    order = rng.permutation(len(MATRIX))
    apart = [REFERENCE.sums(MATRIX[part]) for part in np.split(order, 40)]
    assert kernel_design_effect(REFERENCE, apart) == pytest.approx(1.0, abs=0.25)
    blocks = np.argsort(MATRIX[:, 0] + 3 * rng.normal(size=len(MATRIX)))
    together = [REFERENCE.sums(MATRIX[part]) for part in np.split(blocks, 40)]
    assert kernel_design_effect(REFERENCE, together) > 1.5


def test_the_same_seed_gives_the_same_reference():
    again, other = fit_kernel(MATRIX, ENCODING, seed=5), fit_kernel(MATRIX, ENCODING, seed=6)
    assert np.array_equal(again.frequencies, REFERENCE.frequencies)
    assert np.array_equal(again.weights, REFERENCE.weights)
    assert not np.array_equal(other.frequencies, REFERENCE.frequencies)


def test_too_few_rows_are_no_evidence():
    rng = np.random.default_rng(9)
    assert kernel_shift(REFERENCE, REFERENCE.empty()).p_value == 1.0
    assert kernel_shift(REFERENCE, sums(rng, 29, shift=9.0)).p_value == 1.0


def test_a_constant_reference_is_left_only_by_a_change():
    constant = {"x": np.full(50, 2.0)}
    encoding = Encoding.fit(constant)
    reference = fit_kernel(encoding.encode(constant), encoding, seed=0)
    same = kernel_shift(reference, reference.sums(encoding.encode(constant)))
    moved = kernel_shift(reference, reference.sums(encoding.encode({"x": np.full(50, 3.0)})))
    assert (same.p_value, same.effect) == (1.0, 0.0)
    assert moved.p_value == 0.0


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidInput):
        REFERENCE.sums(MATRIX[:, 1:])
    with pytest.raises(InvalidInput):
        fit_kernel(MATRIX[:1], ENCODING, seed=0)
    with pytest.raises(InvalidInput):
        kernel_shift(REFERENCE, REFERENCE.empty(), design_effect=0.5)
    with pytest.raises(IncompatibleProfiles):
        REFERENCE.empty() + KernelSums(0, np.zeros(2))
    with pytest.raises(IncompatibleProfiles):
        kernel_shift(REFERENCE, KernelSums(0, np.zeros(2)))
