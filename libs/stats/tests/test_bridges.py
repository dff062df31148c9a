import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_hypergeom
from tidemill_stats.bridges import area_cumulants, exit_probability


def outcomes(totals, draws):
    """Every way to draw, as |drawn - expected| up to each edge, with its probability."""
    share = draws / sum(totals)
    for drawn in itertools.product(*(range(total + 1) for total in totals)):
        if sum(drawn) == draws:
            off = np.abs(np.cumsum(np.array(drawn) - np.array(totals) * share))[:-1]
            yield off, float(multivariate_hypergeom.pmf(drawn, totals, draws))


tables = st.lists(st.integers(0, 5), min_size=2, max_size=4).filter(lambda totals: sum(totals) > 1)


@settings(max_examples=30, deadline=None)
@given(tables, st.data())
def test_exit_probability_is_that_of_all_ways_to_draw(totals, data):
    draws = data.draw(st.integers(1, sum(totals) - 1))
    every = list(outcomes(totals, draws))
    for distance in {float(off.max()) for off, _ in every} - {0.0}:
        exact = sum(p for off, p in every if off.max() >= distance * (1 - 1e-9))
        assert exit_probability(np.array(totals), draws, distance) == pytest.approx(exact, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(tables, st.floats(-0.5, 1), st.data())
def test_cumulants_of_the_area_are_those_of_all_ways_to_draw(totals, tilt, data):
    draws = data.draw(st.integers(1, sum(totals) - 1))
    weights = np.linspace(0.5, 1.5, len(totals) - 1)
    areas, p = (
        np.array(values) for values in zip(*((weights @ off, p) for off, p in outcomes(totals, draws)), strict=True)
    )
    tilted = p * np.exp(tilt * areas)
    mean = tilted @ areas / tilted.sum()
    variance = tilted @ (areas - mean) ** 2 / tilted.sum()
    computed = area_cumulants(np.array(totals), draws, weights, tilt)
    assert computed == pytest.approx((np.log(tilted.sum()), mean, variance), abs=1e-6)


def test_exit_probability_far_out_keeps_its_precision():
    one_cut = exit_probability(np.array([500, 500]), 100, 40.0)
    exact = 2 * multivariate_hypergeom.pmf([[x, 100 - x] for x in range(90, 101)], [500, 500], 100).sum()
    assert one_cut == pytest.approx(exact, rel=1e-6)
    assert one_cut < 1e-15
