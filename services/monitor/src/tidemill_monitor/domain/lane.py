"""The rows of one version as it answers, or watches, by prediction key."""

from collections.abc import Iterator

import numpy as np
from tidemill_stats.arrays import HashArray, IntArray

from tidemill_monitor.domain.block import CAPACITY, Block
from tidemill_monitor.domain.index import NOWHERE, KeyIndex
from tidemill_monitor.domain.pane_state import PaneState
from tidemill_monitor.domain.rows import Kept


class Lane:
    """Places of rows by key. A place is CAPACITY times the number that a block has here, plus the row in the block."""

    def __init__(self) -> None:
        self._index = KeyIndex()
        self._blocks: dict[int, tuple[PaneState, Block]] = {}
        self._numbers: dict[int, int] = {}
        self._alive = np.zeros(64, dtype=np.bool_)
        self._free: list[int] = []
        self._leaving: list[int] = []
        self._gone = 0

    def __len__(self) -> int:
        """Rows."""
        return len(self._index) - self._gone

    def keys(self) -> HashArray:
        """Keys of all rows."""
        parts = [block.keys[: block.rows] for _, block in self._blocks.values()]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)

    def find(self, keys: HashArray) -> IntArray:
        """The place of each key, shape [n]; NOWHERE where there is no row."""
        places = self._index.find(keys)
        places[(places != NOWHERE) & ~self._alive[places // CAPACITY]] = NOWHERE
        return places

    def put(self, state: PaneState, block: Block, first: int) -> None:
        """Note the rows of a block from `first` on."""
        number = self._numbers.get(id(block))
        if number is None:
            number = self._new_number()
            self._blocks[number] = (state, block)
            self._numbers[id(block)] = number
            self._alive[number] = True
        keys = block.keys[first : block.rows]
        self._index.put(keys, number * CAPACITY + np.arange(first, block.rows))

    def remove(self, block: Block) -> None:
        """Forget the rows of a block. Its number is given again once no key leads to it."""
        number = self._numbers.pop(id(block))
        del self._blocks[number]
        self._alive[number] = False
        self._leaving.append(number)
        self._gone += block.rows
        if 4 * self._gone > len(self._index):
            self._index.keep(lambda places: self._alive[places // CAPACITY])
            self._free += self._leaving
            self._leaving, self._gone = [], 0

    def by_block(self, places: IntArray) -> Iterator[tuple[PaneState, Block, slice, IntArray]]:
        """The blocks of some places, which are sorted: each with the part of the places, and their rows in it."""
        numbers = places // CAPACITY
        begins = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), places.size], strict=True):
            state, block = self._blocks[int(numbers[begin])]
            yield state, block, slice(begin, end), places[begin:end] % CAPACITY

    def answers(self, keys: HashArray, start: int) -> Iterator[tuple[IntArray, Kept]]:
        """The rows that answered some of the keys in the pane that starts then, and which of the keys they are of."""
        places = self.find(keys)
        here = np.flatnonzero(places != NOWHERE)
        here = here[np.argsort(places[here], kind="stable")]
        for state, block, part, rows in self.by_block(places[here]) if here.size else ():
            some = block.answered[rows]
            if state.pane.start == start:
                yield here[part][some], block.kept(rows[some])

    def _new_number(self) -> int:
        if self._free:
            return self._free.pop()
        number = len(self._blocks) + len(self._leaving)
        if number >= self._alive.size:
            self._alive = np.concatenate([self._alive, np.zeros_like(self._alive)])
        return number
