import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.distinct import REGISTERS, DistinctSketch
from tidemill_stats.errors import InvalidInput

NUMBERS = st.lists(st.floats(width=32), max_size=50)
SKETCHES = NUMBERS.map(DistinctSketch.of_numbers) | st.lists(st.text(), max_size=50).map(DistinctSketch.of_texts)
STANDARD_ERROR = 1.04 / REGISTERS**0.5


@given(SKETCHES, SKETCHES)
def test_merge_commutes(a, b):
    assert a.merge(b) == b.merge(a)


@given(SKETCHES, SKETCHES, SKETCHES)
def test_merge_associates(a, b, c):
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == DistinctSketch.merge_all([c, a, b])


@given(SKETCHES)
def test_merge_with_itself_changes_nothing(a):
    assert a.merge(a) == a


@given(NUMBERS, NUMBERS)
def test_merging_two_parts_gives_the_sketch_of_the_whole(a, b):
    assert DistinctSketch.of_numbers(a).merge(DistinctSketch.of_numbers(b)) == DistinctSketch.of_numbers(a + b)


def test_repetition_order_and_what_is_not_finite_do_not_count():
    sketch = DistinctSketch.of_numbers([0.0, -0.0, 2.0, 2.0, np.nan, np.inf])
    assert sketch == DistinctSketch.of_numbers([2.0, 0.0])
    assert sketch.estimate == pytest.approx(2, abs=0.1)
    assert DistinctSketch.of_texts([]).estimate == 0


@pytest.mark.parametrize("size", [10, 100, 500, 700, 2_000, 100_000])
def test_estimates_have_the_stated_error(size):
    samples = np.random.default_rng(size).random((60, size), dtype=np.float32)
    true = np.array([np.unique(sample).size for sample in samples])
    estimates = np.array([DistinctSketch.of_numbers(sample).estimate for sample in samples])
    errors = estimates / true - 1
    assert np.sqrt(np.mean(errors**2)) < 1.4 * STANDARD_ERROR
    assert abs(errors.mean()) < 4 * STANDARD_ERROR / np.sqrt(len(samples))


def test_texts_are_counted_as_well():
    sketch = DistinctSketch.of_texts(f"flight {number % 5000}" for number in range(6000))
    assert sketch.estimate == pytest.approx(5000, rel=3 * STANDARD_ERROR)


def test_equal_values_give_equal_registers_on_every_machine():
    def used(sketch):
        places = np.flatnonzero(sketch.registers)
        return dict(zip(places.tolist(), sketch.registers[places].tolist(), strict=True))

    assert used(DistinctSketch.of_numbers([0.0, 1.0, 0.1])) == {190: 2, 226: 1, 253: 1}
    assert used(DistinctSketch.of_texts(["UA", "é"])) == {47: 1, 186: 1}


@pytest.mark.parametrize("registers", [np.zeros(255), np.full(REGISTERS, 58)])
def test_contradictions_are_refused(registers):
    with pytest.raises(InvalidInput):
        DistinctSketch(registers)
