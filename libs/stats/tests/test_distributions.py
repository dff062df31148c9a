import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from tidemill_stats.distributions import chi_square_tail, hypergeometric_tail, normal_tail


@given(st.data())
def test_hypergeometric_tail_agrees_with_scipy(data):
    population = data.draw(st.integers(1, 30_000))
    marked = data.draw(st.integers(0, min(population, 200)))
    draws = data.draw(st.integers(0, population))
    successes = data.draw(st.integers(0, min(marked, draws)))
    expected = hypergeom.sf(successes - 1, population, marked, draws)
    assert hypergeometric_tail(successes, population, marked, draws) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_tails_of_tabulated_quantiles():
    assert chi_square_tail(3.841459, 1) == pytest.approx(0.05, abs=1e-6)
    assert chi_square_tail(30.14353, 19) == pytest.approx(0.05, abs=1e-6)
    assert normal_tail(1.644854) == pytest.approx(0.05, abs=1e-6)
