"""Where each prediction's row is: a hash table in two arrays, looked up for many keys at once."""

from collections.abc import Callable

import numpy as np
from tidemill_stats.arrays import BoolArray, HashArray, IntArray

NOWHERE = -1
_LEAST_SIZE = 256


class KeyIndex:
    """Places (>= 0) by key (uint64, not 0). Open addressing with linear probing, at most half full (Knuth 1998, "The
    Art of Computer Programming" vol. 3, 6.4); 32 to 64 bytes a key.

    Keys are not removed: `keep` leaves those behind whose rows are gone.
    """

    def __init__(self) -> None:
        self._clear(_LEAST_SIZE)

    def __len__(self) -> int:
        return self._used

    def find(self, keys: HashArray) -> IntArray:
        """The place of each key, shape [n]; NOWHERE where it is unknown."""
        found = np.full(keys.size, NOWHERE, dtype=np.int64)
        rows = np.arange(keys.size)
        slots = self._home(keys)
        while rows.size:
            there = self._keys[slots]
            hit = there == keys[rows]
            found[rows[hit]] = self._places[slots[hit]]
            going_on = ~hit & (there != 0)
            rows = rows[going_on]
            slots = (slots[going_on] + 1) & self._mask
        return found

    def put(self, keys: HashArray, places: IntArray) -> None:
        """Set the places of distinct keys."""
        if 2 * (self._used + keys.size) > self._keys.size:
            self._grow(self._used + keys.size)
        rows = np.arange(keys.size)
        slots = self._home(keys)
        while rows.size:
            free = self._keys[slots] == 0
            self._keys[slots[free]] = keys[rows[free]]
            mine = self._keys[slots] == keys[rows]
            self._places[slots[mine]] = places[rows[mine]]
            self._used += int(np.count_nonzero(mine & free))
            rows = rows[~mine]
            slots = (slots[~mine] + 1) & self._mask

    def keep(self, alive: Callable[[IntArray], BoolArray]) -> None:
        """Leave behind the keys whose places are not `alive`."""
        held = (self._keys != 0) & alive(self._places)
        keys, places = self._keys[held], self._places[held]
        self._clear(max(_LEAST_SIZE, 1 << (4 * keys.size - 1).bit_length()))
        self.put(keys, places)

    def _grow(self, size: int) -> None:
        held = self._keys != 0
        keys, places = self._keys[held], self._places[held]
        self._clear(1 << (4 * size - 1).bit_length())
        self.put(keys, places)

    def _clear(self, size: int) -> None:
        self._keys = np.zeros(size, dtype=np.uint64)
        self._places = np.zeros(size, dtype=np.int64)
        self._mask = size - 1
        self._used = 0

    def _home(self, keys: HashArray) -> IntArray:
        return (keys & np.uint64(self._mask)).astype(np.int64)
