import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_monitor.domain.block import CAPACITY, Block, Rows, WindowKey
from tidemill_stats import InvalidInput, profile_columns

WINDOW = WindowKey("tide", 1, 0, 1000)


def rows(count: int, width: int = 3) -> Rows:
    return Rows(
        np.arange(count, dtype=np.uint64), np.arange(count, dtype=np.int64), np.full((count, width), 0.5, np.float32)
    )


def test_the_later_truth_counts_whatever_came_first() -> None:
    block = Block(WINDOW, 0, 3)
    block.append(rows(1), None, 5)
    assert block.set_truth(0, 1.0, 8)
    assert not block.set_truth(0, 0.0, 7)
    assert not block.set_truth(0, 0.0, 8)
    assert block.truth_of(0) == (1.0, 8)
    assert block.set_truth(0, 0.0, 9)
    assert block.labels.tolist() == [0.0]


def test_rows_without_any_output_are_errors() -> None:
    block = Block(WINDOW, 0, 3)
    some = rows(3)
    some.outputs[1] = np.nan
    block.append(some, None, 0)
    assert (block.rows, block.errors) == (3, 1)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.dictionaries(st.integers(0, 200), st.floats(0, 1)))
def test_a_decoded_block_is_the_block(sizes: list[int], truths: dict[int, float]) -> None:
    block = Block(WINDOW, 7, 3)
    for offset, size in enumerate(sizes):
        block.append(rows(size), profile_columns({"x": np.ones(size)}, reference=REFERENCE), offset)
    for row, label in truths.items():
        if row < block.rows:
            block.set_truth(row, label, row)
    again = Block.decode(block.encode())
    assert again.encode() == block.encode()
    assert (again.window, again.number, again.rows) == (WINDOW, 7, sum(sizes))
    assert again.inputs == block.inputs
    np.testing.assert_array_equal(again.labels, block.labels)


REFERENCE = profile_columns({"x": np.arange(100.0)})


def test_a_decoded_block_takes_more_rows() -> None:
    block = Block(WINDOW, 0, 3)
    block.append(rows(10), None, 0)
    again = Block.decode(block.encode())
    assert again.append(rows(CAPACITY - 10), None, 1) == 10
    assert again.room == 0


@pytest.mark.parametrize("data", [b"", b"TMB1", b"XXXX" + bytes(40), Block(WINDOW, 0, 1).encode()[:-5]])
def test_what_is_no_block_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        Block.decode(data)
