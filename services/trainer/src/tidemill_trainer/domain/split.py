"""Sequential split: what a model learns from is older than what it is judged by."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from tidemill_runtime.errors import InvalidInput

Times = npt.NDArray[Any]


@dataclass(frozen=True)
class Parts:
    """Half-open ranges of rows ordered by event time: train, then validation, then test; disjoint, none empty."""

    train: range
    validation: range
    test: range


def split(times: Times, validation: float, test: float, window: timedelta | None = None) -> Parts:
    """Cut rows whose event times, datetime64 of shape [n], never decrease, at about the given shares of the rows.

    With a `window`, only rows newer than the newest less the window take part. Rows of equal event time always stay
    together: a cut moves back to the first row of its time. The same times give the same parts.
    Raises InvalidInput for unordered times, or when a part would be empty.
    """
    if np.any(times[1:] < times[:-1]):
        raise InvalidInput("rows to split must be ordered by event time")
    rows = len(times)
    begin = 0
    if window is not None and rows:
        begin = int(np.searchsorted(times, times[-1] - np.timedelta64(window), side="right"))
    taking_part = rows - begin
    test_from = _first_of_its_time(times, rows - max(1, round(taking_part * test)))
    validation_from = _first_of_its_time(times, test_from - max(1, round(taking_part * validation)))
    if validation_from <= begin:
        raise InvalidInput(
            f"{taking_part} rows are too few for a train, a validation and a test part of their own times"
        )
    return Parts(range(begin, validation_from), range(validation_from, test_from), range(test_from, rows))


def later_than(times: Times, part: range, seen_until: datetime) -> range:
    """The rows of `part` later than `seen_until` (aware)."""
    limit = np.datetime64(int(seen_until.timestamp() * 1_000_000), "us")
    first = int(np.searchsorted(times, limit, side="right"))
    return range(min(max(part.start, first), part.stop), part.stop)


def _first_of_its_time(times: Times, position: int) -> int:
    """First row with the event time of row `position`; 0 or less if there is no such row."""
    return int(np.searchsorted(times, times[position], side="left")) if position > 0 else 0
