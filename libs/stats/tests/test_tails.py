import numpy as np
import pytest
from scipy.stats import chi2, gamma, norm
from tidemill_stats.tails import pearson3_tail, pearson3_two_sided, weighted_chi_square_tail


@pytest.mark.parametrize("degrees", [1, 2, 5, 64])
@pytest.mark.parametrize("p", [0.99, 0.5, 0.01, 1e-4, 1e-8, 1e-12])
def test_equal_weights_are_a_chi_square(degrees, p):
    statistic = 0.3 * chi2.isf(p, degrees)
    assert weighted_chi_square_tail(statistic, np.full(degrees, 0.3)) == pytest.approx(p, rel=0.06)


def test_unequal_weights_agree_with_simulation():
    rng, weights = np.random.default_rng(0), np.exp(-np.arange(20) / 3)
    drawn = np.square(rng.standard_normal((200_000, 20))) @ weights
    for p in (0.5, 0.1, 0.01, 0.001):
        assert weighted_chi_square_tail(float(np.quantile(drawn, 1 - p)), weights) == pytest.approx(p, rel=0.2)


def test_a_weight_that_dominates_gives_its_chi_square():
    weights = np.append(1.0, np.full(30, 1e-8))
    assert weighted_chi_square_tail(float(chi2.isf(1e-5, 1)), weights) == pytest.approx(1e-5, rel=0.1)


def test_the_tail_falls_with_the_statistic_from_one_to_zero():
    weights = np.exp(-np.arange(32) / 4)
    tails = [weighted_chi_square_tail(q, weights) for q in np.linspace(0, 300, 400)]
    assert tails[0] == 1.0
    assert tails[-1] < 1e-50
    assert np.all(np.diff(tails) <= 1e-6)


@pytest.mark.parametrize("z", [-2.0, 0.0, 3.0, 6.0])
def test_pearson3_is_a_standardised_gamma_on_either_side(z):
    shape = 25.0
    expected = gamma.sf(shape + z * np.sqrt(shape), shape)
    assert pearson3_tail(z, 2 / np.sqrt(shape)) == pytest.approx(expected)
    assert pearson3_tail(-z, -2 / np.sqrt(shape)) == pytest.approx(1 - expected)
    assert pearson3_tail(z, 1e-6) == pytest.approx(norm.sf(z), rel=1e-3)


def test_pearson3_is_bounded_on_its_short_side():
    assert pearson3_tail(-3.0, 2.0) == 1.0
    assert pearson3_tail(3.0, -2.0) == 0.0


def test_two_sided_doubles_the_smaller_tail():
    assert pearson3_two_sided(2.5, 0.0) == pytest.approx(2 * norm.sf(2.5))
    assert pearson3_two_sided(-2.5, 0.4) == pytest.approx(2 * (1 - pearson3_tail(-2.5, 0.4)))
    assert pearson3_two_sided(0.0, 0.0) == 1.0
