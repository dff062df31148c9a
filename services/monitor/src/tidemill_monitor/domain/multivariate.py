"""What needs all inputs of a row together: kernel embedding, reconstruction error, outliers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from tidemill_stats.arrays import AnyArray, BoolArray, IntArray, SingleArray
from tidemill_stats.encoding import Encoding
from tidemill_stats.reference import Reference

from tidemill_monitor.domain.cells import Values

RECONSTRUCTION_STEPS = 1 << 12


@dataclass(frozen=True)
class Matrices:
    """Rows encoded for each of the references; None: it is absent, or the rows are not looked at."""

    kernel: SingleArray | None = None
    pca: SingleArray | None = None
    outliers: SingleArray | None = None


@dataclass(frozen=True)
class Multivariate:
    """The multivariate references of a version."""

    reference: Reference = field(default_factory=Reference)

    @property
    def embedded(self) -> int:
        """Number of random features."""
        return self.reference.kernel.size if self.reference.kernel is not None else 0

    def encode(self, columns: Mapping[str, Values]) -> Matrices:
        """The rows as points; equal encodings are made once."""
        arrays = {name: _array(values) for name, values in columns.items()}
        done: list[tuple[Encoding, SingleArray]] = []
        kernel, pca, outliers = self.reference.kernel, self.reference.pca, self.reference.outliers
        encodings = [one.encoding if one is not None else None for one in (kernel, pca, outliers)]
        return Matrices(*(_encode(one, arrays, done) if one is not None else None for one in encodings))

    def look(self, matrices: Matrices, count: int) -> tuple[IntArray, BoolArray]:
        """Reconstruction error and its square, in steps of 2^-12 and 2^-24, int64 [n, 2]; which rows are outliers."""
        errors = np.zeros((count, 2), dtype=np.int64)
        unlike = np.zeros(count, dtype=np.bool_)
        pca, outliers = self.reference.pca, self.reference.outliers
        if pca is not None and matrices.pca is not None:
            errors[:, 0] = np.rint(pca.errors(matrices.pca) * RECONSTRUCTION_STEPS)
            errors[:, 1] = np.square(errors[:, 0])
        if outliers is not None and matrices.outliers is not None:
            unlike = outliers.forest.score(matrices.outliers) > outliers.threshold
        return errors, unlike

    def embed(self, matrices: Matrices, rows: IntArray) -> IntArray:
        """Sum of each random feature over some rows, in steps of 2^-20."""
        kernel = self.reference.kernel
        if kernel is None or matrices.kernel is None:
            return np.zeros(self.embedded, dtype=np.int64)
        return kernel.sums(matrices.kernel[rows]).sums


def _encode(
    encoding: Encoding, arrays: Mapping[str, AnyArray], done: list[tuple[Encoding, SingleArray]]
) -> SingleArray:
    for known, matrix in done:
        if known == encoding:
            return matrix
    done.append((encoding, encoding.encode(arrays)))
    return done[-1][1]


def _array(values: Values) -> AnyArray:
    return values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
