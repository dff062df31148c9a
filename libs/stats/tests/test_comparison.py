import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.column import CategoricalProfile
from tidemill_stats.comparison import MINIMUM_EXPECTED, Comparison, group_starts, halves

counts = st.lists(st.integers(0, 300), min_size=1, max_size=12)


def column(cells, other, missing):
    return CategoricalProfile(tuple(f"c{i:02}" for i in range(len(cells))), np.array(cells), other, missing)


@given(counts, st.integers(1, 500))
def test_groups_have_enough_each_unless_there_is_but_one(totals, enough):
    starts = group_starts(np.array(totals, dtype=float), enough)
    groups = np.add.reduceat(totals, starts)
    assert groups.sum() == sum(totals)
    assert len(starts) == 1 or min(groups) >= enough


@given(st.lists(st.integers(0, 300), min_size=2, max_size=12))
def test_no_two_groups_of_neighbours_are_nearer_to_halves(totals):
    _, cut = halves(np.array(totals, dtype=float))
    assert 0 < cut < len(totals)
    off = [abs(sum(totals[:at]) - sum(totals[at:])) for at in range(1, len(totals))]
    assert off[cut - 1] == min(off)


@given(st.data(), st.floats(1, 20))
def test_table_and_rare_values_hold_every_value_once_and_expect_enough(data, design_effect):
    cells = data.draw(counts)
    a = column(cells, *data.draw(st.tuples(st.integers(0, 99), st.integers(0, 99))))
    b = column(data.draw(st.permutations(cells)), *data.draw(st.tuples(st.integers(0, 99), st.integers(0, 99))))
    compared = Comparison(a, b, design_effect)
    if compared.empty:
        assert compared.distance == 0
        return
    sizes = np.array(compared.sizes)
    assert compared.table.sum(axis=1) + np.array(compared.rare) == pytest.approx(sizes)
    if compared.table.shape[1] > 2:
        expected = compared.table.sum(axis=0) * sizes.min() / sizes.sum()
        assert np.sum(expected < MINIMUM_EXPECTED * (1 - 1e-9)) <= 1
    assert 0 <= compared.distance <= 1
