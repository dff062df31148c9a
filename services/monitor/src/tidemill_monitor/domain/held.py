"""Columns of many messages, one after the other: copied whole from large messages, by value from those of one row."""

from collections.abc import Sequence

import numpy as np
from tidemill.v1.prediction_pb2 import Column, Numbers
from tidemill_stats.arrays import FloatArray
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.cells import Values

Found = list[Numbers | Sequence[str] | Sequence[float]]


class Held:
    """Columns of a layout: by name, whether they are texts, and how many values each row has.

    The numbers of a column lie packed, and after them `loose` those of the last messages of one row.
    """

    def __init__(self, layout: Sequence[tuple[str, bool, int]]) -> None:
        self.names = [name for name, _, _ in layout]
        self._layout = layout
        self._loose: list[list[str] | list[float]] = [[] for _ in layout]
        self._packed: list[Numbers] = [Numbers() for _ in layout]

    def fit(self, columns: Sequence[Column], count: int) -> Found | None:
        """The values of `count` rows by column, None if the columns are of another layout.

        Raises InvalidInput when a column of this layout has another number of values.
        """
        if len(columns) != len(self._layout):
            return None
        found: Found = []
        for column, (name, is_text, width) in zip(columns, self._layout, strict=True):
            if column.name != name:
                return None
            numbers = column.numbers
            values = column.texts.values if is_text else numbers.values
            size = len(values)
            if size != count * width:
                if column.WhichOneof("values") != ("texts" if is_text else "numbers"):
                    return None
                raise InvalidInput(f"{size} values in column {name!r} of {count} predictions")
            found.append(values if is_text or count == 1 else numbers)
        return found

    def append(self, found: Found, count: int) -> None:
        """Append what `fit` gave."""
        if count == 1:
            for loose, values in zip(self._loose, found, strict=True):
                loose.extend(values)  # type: ignore[arg-type]
            return
        for place, more in enumerate(found):
            if isinstance(more, Numbers):
                self._pack(place).MergeFrom(more)
            else:
                self._loose[place].extend(more)  # type: ignore[arg-type]

    def columns(self) -> dict[str, Values]:
        """All values by name: numbers as an array, row by row where rows have several; texts as a list."""
        return {
            name: self._loose[place] if is_text else _doubles(self._pack(place))  # type: ignore[misc]
            for place, (name, is_text, _) in enumerate(self._layout)
        }

    def _pack(self, place: int) -> Numbers:
        packed, loose = self._packed[place], self._loose[place]
        if loose:
            packed.values.extend(loose)  # type: ignore[arg-type]
            loose.clear()
        return packed


def _doubles(numbers: Numbers) -> FloatArray:
    """The values, shape [n], as they lie in the wire format: a tag, their length as a varint, then packed doubles.

    Source: https://protobuf.dev/programming-guides/encoding/#packed
    """
    count = len(numbers.values)
    if not count:
        return np.empty(0)
    size = 8 * count
    start = 1 + -(-size.bit_length() // 7)
    return np.frombuffer(numbers.SerializeToString(), dtype="<f8", count=count, offset=start)
