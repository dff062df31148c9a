"""Intervals and courses drawn as text, one character a cell, legible without colours."""

import math
from collections.abc import Sequence
from typing import NamedTuple

ZERO, ZERO_INSIDE, TOLERATED, EFFECT, EMPTY = "│", "┼", "┊", "●", "·"
LOWER, UPPER, INSIDE, NO_LOWER, NO_UPPER = "├", "┤", "─", "◄", "►"
HEIGHTS = "▁▂▃▄▅▆▇█"
Look = tuple[int, float | None]


class Interval(NamedTuple):
    """An effect and the bounds it lies in, each None where unknown; an unknown bound is drawn as an arrow."""

    effect: float | None
    lower: float | None
    upper: float | None

    @property
    def is_known(self) -> bool:
        return any(value is not None for value in self)

    @property
    def span(self) -> float | None:
        """How wide it is, 0 where the bounds have crossed; None unless both are known."""
        return None if self.lower is None or self.upper is None else max(0.0, self.upper - self.lower)


def axis(interval: Interval, delta: float, width: int) -> str:
    """The interval with 0 and ±`delta`, on an axis of `width` >= 3 cells that holds them all.

    What shares a cell is drawn by rank: the effect, the bounds, 0, ±`delta`.
    """
    marks = [0.0, -delta, delta, *(value for value in interval if value is not None)]
    largest = max(map(abs, marks)) or 1.0
    low, high = min(marks) / largest, max(marks) / largest

    def cell(value: float) -> int:
        return 1 + round((value / largest - low) / ((high - low) or 1.0) * (width - 3))

    cells = [EMPTY] * width
    if interval.is_known:
        first = 0 if interval.lower is None else cell(interval.lower)
        last = width - 1 if interval.upper is None else cell(interval.upper)
        for place in range(min(first, last), max(first, last) + 1):
            cells[place] = INSIDE
    zero = ZERO_INSIDE if cells[cell(0.0)] == INSIDE else ZERO
    cells[cell(-delta)] = cells[cell(delta)] = TOLERATED
    cells[cell(0.0)] = zero
    if interval.is_known:
        cells[first] = NO_LOWER if interval.lower is None else LOWER
        cells[last] = NO_UPPER if interval.upper is None else UPPER
    if interval.effect is not None:
        cells[cell(interval.effect)] = EFFECT
    return "".join(cells)


def over_time(looks: Sequence[Look], cells: int) -> list[float | None]:
    """What was known at each of at most `cells` evenly spaced times, from the first look to the last; looks in order
    of time."""
    if not looks:
        return []
    begun, ended = looks[0][0], looks[-1][0]
    if begun == ended or cells < 2:
        return [looks[-1][1]]
    found, index = [], 0
    for place in range(cells):
        at = begun + (ended - begun) * place // (cells - 1)
        while index + 1 < len(looks) and looks[index + 1][0] <= at:
            index += 1
        found.append(looks[index][1])
    return found


def sparkline(values: Sequence[float | None], largest: float) -> str:
    """A column for each value from 0 to `largest`, which has full height, each step lower half as large; `·` where
    unknown."""
    return "".join(EMPTY if value is None else HEIGHTS[_height(value, largest)] for value in values)


def _height(value: float, largest: float) -> int:
    top = len(HEIGHTS) - 1
    if value == largest:
        return top
    return max(0, top - round(math.log2(largest) - math.log2(value))) if value else 0
