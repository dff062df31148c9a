"""Profiles of columns of categories."""

from collections import Counter
from collections.abc import Hashable

import numpy as np

from tidemill_stats.arrays import AnyArray, frozen_ints, trusted
from tidemill_stats.column import CategoricalProfile, most_frequent
from tidemill_stats.distinct import DistinctSketch, of_hashes, text_hashes
from tidemill_stats.errors import InvalidInput

_KINDS = "OUSTbiuf"


def profile_categories(array: AnyArray, cap: int) -> CategoricalProfile:
    """Profile of a column, shape [n], that keeps the `cap` most frequent categories."""
    counts = _count(array)
    categories = most_frequent(counts, cap)
    kept = frozen_ints([counts[category] for category in categories])
    present = sum(counts.values())
    return trusted(
        CategoricalProfile,
        categories=categories,
        counts=kept,
        other=present - int(kept.sum()),
        missing=array.size - present,
        distinct=DistinctSketch.of_texts(counts),
    )


def profile_categories_like(array: AnyArray, reference: CategoricalProfile) -> CategoricalProfile:
    """Profile of a column, shape [n], that keeps the categories of `reference`."""
    places = reference.places
    kept = [0] * len(places)
    unseen: dict[str, int] = {}
    for category, count in _count(array).items():
        place = places.get(category)
        if place is None:
            unseen[category] = count
        else:
            kept[place] = count
    counts = frozen_ints(kept)
    other = sum(unseen.values())
    hashes = reference.hashes[counts > 0]
    return trusted(
        CategoricalProfile,
        categories=reference.categories,
        counts=counts,
        other=other,
        missing=array.size - sum(kept) - other,
        distinct=of_hashes(np.concatenate([hashes, text_hashes(unseen)]) if unseen else hashes),
    )


def _count(array: AnyArray) -> dict[str, int]:
    """Values of each category by its text. Raises InvalidInput for another type."""
    if array.dtype.kind not in _KINDS:
        raise InvalidInput(f"{array.dtype} is neither a number nor text")
    counts: dict[str, int] = {}
    values: list[Hashable] = array.tolist()
    for value, count in Counter(values).items():
        if type(value) is str:
            counts[value] = counts.get(value, 0) + count
        elif value is not None and value == value:
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            counts[text] = counts.get(text, 0) + count
    counts.pop("", None)
    return counts
