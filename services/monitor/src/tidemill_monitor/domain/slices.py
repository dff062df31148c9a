"""Slices of the traffic: the frequent values of declared categorical features."""

from collections.abc import Mapping, Sequence

import numpy as np
from tidemill_stats.arrays import ByteArray, IntArray
from tidemill_stats.column import CategoricalProfile
from tidemill_stats.learning import SLICE_CAP, slice_values
from tidemill_stats.reference import Reference


class Slices:
    """The slices of one version, numbered from 1: those whose training rows the reference profiles on their own, or
    else the most frequent values of each feature."""

    def __init__(self, features: Sequence[str], reference: Reference | None) -> None:
        columns = reference.inputs.columns if reference is not None and reference.inputs is not None else {}
        self.names: list[str] = []
        self.features: list[str] = []
        self._numbers: list[dict[str, int]] = []
        for feature in features:
            column = columns.get(feature)
            if reference is None or not isinstance(column, CategoricalProfile):
                continue
            numbers: dict[str, int] = {}
            for value in _values(feature, column, reference):
                self.names.append(f"{feature}={value}")
                numbers[value] = len(self.names)
            self.features.append(feature)
            self._numbers.append(numbers)

    def codes(self, columns: Mapping[str, object], rows: int) -> ByteArray:
        """Number of the slice each row is in, by feature: uint8 [rows, features], 0 for none."""
        codes = np.zeros((rows, len(self.features)), dtype=np.uint8)
        for place, (feature, numbers) in enumerate(zip(self.features, self._numbers, strict=True)):
            texts = columns.get(feature)
            if isinstance(texts, Sequence):
                codes[:, place] = [numbers.get(text, 0) for text in texts]
        return codes


def by_slice(codes: ByteArray, segments: IntArray) -> list[tuple[IntArray, IntArray, IntArray]]:
    """For each feature: the rows in a slice, their distinct (segment << 8 | slice), and which of these each row is."""
    found = []
    for feature in codes.T:
        rows = np.flatnonzero(feature)
        if rows.size:
            distinct, places = np.unique(segments[rows] << 8 | feature[rows], return_inverse=True)
            found.append((rows, distinct, places.reshape(rows.shape)))
    return found


def _values(feature: str, column: CategoricalProfile, reference: Reference) -> Sequence[str]:
    prefix = f"slice:{feature}="
    profiled = sorted(name.removeprefix(prefix) for name in reference.groups if name.startswith(prefix))
    if profiled:
        return profiled[:SLICE_CAP]
    return slice_values(column)
