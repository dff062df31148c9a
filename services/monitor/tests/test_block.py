import numpy as np
import pytest
from tidemill_monitor.domain.block import ALL, CAPACITY, Block
from tidemill_monitor.domain.rows import Kept
from tidemill_monitor.domain.tally import Tally
from tidemill_stats.errors import InvalidInput


def kept(*keys: int) -> Kept:
    count = len(keys)
    return Kept(
        keys=np.array(keys, dtype=np.uint64),
        outputs=np.tile(np.array([1, 0.25, 0.75], dtype=np.float32), (count, 1)),
        answered=np.ones(count, dtype=np.bool_),
        slices=np.full((count, 1), 2, dtype=np.uint8),
        latencies=np.linspace(0.1, 0.2, count, dtype=np.float32),
        epochs=np.arange(7, 7 + count),
        units=np.arange(count, dtype=np.uint64) + np.uint64(1 << 63),
    )


def block_of(*keys: int) -> Block:
    block = Block(3, 3, 1)
    block.append(kept(*keys), 17)
    block.count(ALL, Tally(np.array([0, 5, 0]), np.array([7]), np.array([-1.0]), np.array([np.inf])))
    block.violations["x: absent"] = 2
    return block


def label(block: Block, row: int) -> None:
    block.label(np.array([row]), np.array([1.0]), np.array([9]), np.array([99]), np.array([2]))


def test_a_block_is_read_back_as_it_was_written() -> None:
    block = block_of(1, 2, 3)
    label(block, 1)
    again = Block.decode_rows(block.encode_rows("here"), "here")
    again.decode_labels(block.encode_labels())
    assert (again.number, again.rows, again.offset, again.violations) == (3, 3, 17, {"x: absent": 2})
    assert again.labelled.tolist() == [False, True, False]
    rows = ("keys", "outputs", "answered", "slices", "latencies", "epochs", "units")
    for name in (*rows, "truth_offsets", "observed", "changes"):
        assert getattr(again, name)[:3].tolist() == getattr(block, name)[:3].tolist()
    assert again.tallies[ALL].counts.tolist() == [0, 5, 0]
    assert (again.tallies[ALL].sums.tolist(), again.tallies[ALL].highs.tolist()) == ([7], [np.inf])


def test_a_block_has_room_for_its_capacity() -> None:
    block = block_of(*range(1, CAPACITY))
    assert block.room == 1
    assert block.append(kept(CAPACITY), 18) == CAPACITY - 1
    assert block.room == 0


@pytest.mark.parametrize("cut", [0, 3, 20, -1])
def test_what_is_no_block_is_refused(cut: int) -> None:
    with pytest.raises(InvalidInput):
        Block.decode_rows(block_of(1, 2).encode_rows("here")[:cut], "here")


def test_a_block_of_another_layout_is_refused() -> None:
    with pytest.raises(InvalidInput, match="layout"):
        Block.decode_rows(block_of(1, 2).encode_rows("there"), "here")


def test_labels_of_another_block_are_refused() -> None:
    block = block_of(1, 2, 3)
    label(block, 2)
    with pytest.raises(InvalidInput):
        block_of(1, 2).decode_labels(block.encode_labels())
    with pytest.raises(InvalidInput):
        block.decode_labels(block.encode_labels()[:-1])
