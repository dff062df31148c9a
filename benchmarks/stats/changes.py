"""Changes of one column of twenty, by size, and the column in which each is a change of the mean."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from tidemill_stats.arrays import AnyArray, FloatArray

Generator = np.random.Generator
SHARES = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
MISSING = 0.02


@dataclass(frozen=True)
class Kind:
    """A column and its changes.

    `draw` gives rows of it after a change of some size; 0 is none. `watched`, in [0, 1]: what a detector of changes of
    the mean must be shown; `width`: of the range it was scaled from. `losses`: it is 0 or 1. `unit`: names a size.
    """

    draw: Callable[[Generator, int, float], AnyArray]
    watched: Callable[[AnyArray], FloatArray]
    sizes: tuple[float, ...]
    unit: str
    width: float = 1.0
    losses: bool = False


def _shifted(rng: Generator, rows: int, size: float) -> AnyArray:
    return rng.normal(size, 1.0, rows)


def _spread(rng: Generator, rows: int, size: float) -> AnyArray:
    return rng.normal(0.0, np.sqrt(1 + size), rows)


def _categories(rng: Generator, rows: int, size: float) -> AnyArray:
    shares = SHARES + np.array([-size, 0.0, size, 0.0, 0.0])
    values: AnyArray = np.array(list("abcde"), dtype=object)[rng.choice(shares.size, rows, p=shares)]
    return values


def _missing(rng: Generator, rows: int, size: float) -> AnyArray:
    values = rng.standard_normal(rows)
    values[rng.random(rows) < MISSING + size] = np.nan
    return values


def unit_interval(values: FloatArray) -> FloatArray:
    """Values from -4 to 4 (beyond: clipped) as 0 to 1."""
    inside: FloatArray = (np.clip(values, -4.0, 4.0) + 4) / 8
    return inside


def _numbers(values: AnyArray) -> FloatArray:
    return unit_interval(values.astype(np.float64))


def _squares(values: AnyArray) -> FloatArray:
    numbers = values.astype(np.float64)
    squares: FloatArray = np.minimum(numbers * numbers, 16.0) / 16
    return squares


def _is(category: str, values: AnyArray) -> FloatArray:
    return np.asarray(values == category, dtype=np.float64)


def _is_missing(values: AnyArray) -> FloatArray:
    return np.isnan(values.astype(np.float64)).astype(np.float64)


KINDS = (
    Kind(_shifted, _numbers, (0.1, 0.2, 0.3, 0.5, 1.0), "mean + {} sigma", width=8.0),
    Kind(_spread, _squares, (0.5,), "variance + {:.0%}", width=16.0),
    Kind(_categories, partial(_is, "c"), (0.05,), "share of a category .20 + {}", losses=True),
    Kind(_missing, _is_missing, (0.02,), "missing .02 + {}", losses=True),
)
