"""Streams whose true distribution is known: twenty columns of four shapes, independent in time or not."""

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr
from tidemill_stats.arrays import AnyArray, FloatArray

FEATURES = 20
NORMALS, HEAVY, ZEROS = 8, 4, 4
CATEGORIES = (3, 10, 40, 130)
TAIL = 0.2
ZERO_SHARE, MISSING_SHARE = 0.9, 0.02

Columns = dict[str, AnyArray]


def latent(rng: np.random.Generator, rows: int, correlation: float = 0.0) -> FloatArray:
    """Standard normal values, shape [rows, FEATURES]; each column is AR(1) with that `correlation` of neighbours."""
    shocks = rng.standard_normal((rows, FEATURES))
    if not correlation:
        return shocks
    shocks[1:] *= np.sqrt(1 - correlation**2)
    smooth: FloatArray = lfilter([1.0], [1.0, -correlation], shocks, axis=0)
    return smooth


def mixed(rng: np.random.Generator, rows: int, correlation: float = 0.0) -> Columns:
    """Twenty columns of `rows` values: 8 normal, 4 heavy-tailed, 4 mostly zero with missing ones, 4 of categories.

    Heavy tails: Tukey's h distribution with h = 0.2, whose fifth moment is infinite. Categories follow Zipf's law.
    """
    z = latent(rng, rows, correlation)
    numbers = z[:, :NORMALS], z[:, NORMALS : NORMALS + HEAVY], z[:, NORMALS + HEAVY : NORMALS + HEAVY + ZEROS]
    normal, heavy, zeros = numbers[0], numbers[1] * np.exp(TAIL / 2 * numbers[1] ** 2), _zeros(rng, numbers[2])
    columns: Columns = {}
    for kind, block in (("normal", normal), ("heavy", heavy), ("zeros", zeros)):
        columns.update({f"{kind}{number}": block[:, number].copy() for number in range(block.shape[1])})
    for number, (count, values) in enumerate(zip(CATEGORIES, z[:, -len(CATEGORIES) :].T, strict=True)):
        columns[f"category{number}"] = _categories(values, count)
    return columns


def part(columns: Columns, start: int, stop: int) -> Columns:
    """Rows `start` to before `stop`."""
    return {name: values[start:stop] for name, values in columns.items()}


def _zeros(rng: np.random.Generator, z: FloatArray) -> FloatArray:
    values = np.where(ndtr(z) < ZERO_SHARE, 0.0, np.round(np.exp(z), 1))
    values[rng.random(values.shape) < MISSING_SHARE] = np.nan
    return values


def _categories(z: FloatArray, count: int) -> AnyArray:
    weights = 1 / np.arange(1, count + 1)
    codes = np.minimum(np.searchsorted(np.cumsum(weights) / weights.sum(), ndtr(z)), count - 1)
    values: AnyArray = np.array([f"c{number:03}" for number in range(count)], dtype=object)[codes]
    return values
