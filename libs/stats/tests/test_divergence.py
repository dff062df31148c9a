import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from tidemill_stats.divergence import js_distance, psi
from tidemill_stats.errors import InvalidInput


@st.composite
def pairs_of_counts(draw):
    cells = draw(st.integers(1, 12))
    counts = st.lists(st.integers(0, 1000), min_size=cells, max_size=cells).filter(any)
    return draw(counts), draw(counts)


@given(pairs_of_counts())
def test_js_distance_is_symmetric_bounded_and_agrees_with_scipy(pair):
    p, q = pair
    distance = js_distance(p, q)
    assert 0 <= distance <= 1
    assert distance == pytest.approx(js_distance(q, p), abs=1e-7)
    with np.errstate(invalid="ignore"):
        assert distance == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=1e-6)


def test_js_distance_reaches_its_bounds():
    assert js_distance([1, 2, 3], [10, 20, 30]) == pytest.approx(0, abs=1e-7)
    assert js_distance([1, 0], [0, 5]) == 1


@given(pairs_of_counts())
def test_psi_is_symmetric_finite_and_not_negative(pair):
    p, q = pair
    assert 0 <= psi(p, q) < np.inf
    assert psi(p, q) == pytest.approx(psi(q, p))
    assert psi(p, p) == 0


def test_psi_of_a_known_table():
    reference, window = np.array([0.5, 0.5]), np.array([0.6, 0.4])
    expected = np.sum((window - reference) * np.log(window / reference))
    assert psi(reference * 1e9, window * 1e9) == pytest.approx(expected)


@pytest.mark.parametrize(("p", "q"), [([1, 2], [1]), ([0, 0], [1, 1]), ([-1, 2], [1, 1]), ([np.nan, 1], [1, 1])])
def test_what_is_no_distribution_is_refused(p, q):
    with pytest.raises(InvalidInput):
        js_distance(p, q)
    with pytest.raises(InvalidInput):
        psi(p, q)
