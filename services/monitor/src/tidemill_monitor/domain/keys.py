"""Prediction ids as 64-bit keys, the same in every process."""

from collections.abc import Sequence

import numpy as np
from tidemill_stats.arrays import HashArray

_SEED = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def prediction_keys(ids: Sequence[str]) -> HashArray:
    """64 bits, never 0, that stand for each id, uint64 of shape [n]: two of a million ids collide with p = 3e-8.

    Each 8 bytes of an id's UTF-8 are mixed in by the finaliser of splitmix64 (Steele, Lea & Flood 2014, "Fast
    splittable pseudorandom number generators", OOPSLA), all ids at once. Not for adversaries: who makes ids that
    collide spoils the labels of their own predictions.
    """
    if not ids:
        return np.empty(0, dtype=np.uint64)
    texts = _fixed_width(ids)
    lengths = np.char.str_len(texts).astype(np.uint64)
    width = -(-texts.dtype.itemsize // 8)
    words = texts.astype(f"S{8 * width}").view("<u8").reshape(len(ids), width)
    hashes = _mixed(lengths + np.uint64(_SEED))
    for place in range(width):
        longer = lengths > np.uint64(8 * place)
        mixed = _mixed(hashes ^ words[:, place])
        hashes = mixed if longer.all() else np.where(longer, mixed, hashes)
    return np.maximum(hashes, np.uint64(1))


def _fixed_width(ids: Sequence[str]) -> np.ndarray:
    try:
        return np.array(ids, dtype="S")
    except UnicodeEncodeError:
        return np.array([one.encode("utf-8", "surrogatepass") for one in ids], dtype="S")


def _mixed(hashes: HashArray) -> HashArray:
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(_FACTORS[0])
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(_FACTORS[1])
    return hashes ^ (hashes >> np.uint64(31))
