"""Profiles of columns of numbers, many columns at once."""

from collections.abc import Mapping, Sequence

import numpy as np

from tidemill_stats.arrays import (
    AnyArray,
    BoolArray,
    FloatArray,
    IntArray,
    SingleArray,
    frozen_floats,
    frozen_ints,
    trusted,
)
from tidemill_stats.column import NumericProfile
from tidemill_stats.distinct import row_sketches
from tidemill_stats.errors import InvalidInput
from tidemill_stats.kll import QuantileSketch
from tidemill_stats.moments import row_moments

NUMERIC_KINDS = "biuf"
_BLOCK = 1 << 17

_Cells = tuple[FloatArray, IntArray, QuantileSketch | None]


def profile_numbers(
    columns: Mapping[str, AnyArray], references: Mapping[str, NumericProfile] | None, bins: int
) -> dict[str, NumericProfile]:
    """Profiles of columns, each of shape [rows], in the bins of the references, or else at most `bins` of their own.

    Raises InvalidInput for what are no numbers.
    """
    profiles: dict[str, NumericProfile] = {}
    names = list(columns)
    rows = columns[names[0]].size if names else 0
    step = max(1, _BLOCK // max(rows, 1))
    for block in (names[start : start + step] for start in range(0, len(names), step)):
        matrix = _matrix({name: columns[name] for name in block}, rows)
        likes = [references[name] for name in block] if references is not None else None
        profiles.update(zip(block, _profile_rows(matrix, likes, bins), strict=True))
    return profiles


def _matrix(columns: Mapping[str, AnyArray], rows: int) -> SingleArray:
    """The columns as rows of one matrix."""
    matrix: SingleArray = np.empty((len(columns), rows), dtype=np.float32)
    with np.errstate(over="ignore"):
        for row, (name, array) in zip(matrix, columns.items(), strict=True):
            if array.dtype.kind not in NUMERIC_KINDS + "O":
                raise InvalidInput(f"column {name!r}: {array.dtype} where numbers are expected")
            try:
                row[:] = array
            except (TypeError, ValueError) as error:
                raise InvalidInput(f"column {name!r}: text where numbers are expected: {error}") from error
    return matrix


def _profile_rows(matrix: SingleArray, likes: Sequence[NumericProfile] | None, bins: int) -> list[NumericProfile]:
    finite = np.isfinite(matrix)
    infinite = np.count_nonzero(np.isinf(matrix), axis=1).tolist()
    values = matrix.astype(np.float64)
    if likes is not None:
        cells = _cells_like(values, finite, [like.edges for like in likes])
    else:
        cells = [_own_cells(np.sort(row[some]), bins) for row, some in zip(matrix, finite, strict=True)]
    return [
        trusted(
            NumericProfile,
            edges=edges,
            counts=counts,
            moments=moments,
            missing=matrix.shape[1] - moments.count,
            infinite=infinities,
            quantiles=quantiles,
            distinct=distinct,
        )
        for (edges, counts, quantiles), moments, infinities, distinct in zip(
            cells, row_moments(values, finite), infinite, row_sketches(matrix, finite), strict=True
        )
    ]


def _own_cells(ordered: SingleArray, bins: int) -> _Cells:
    """Bins whose edges are the values at or below which lie 1/bins, 2/bins, … of the values, given in order."""
    if not ordered.size:
        return frozen_floats([]), frozen_ints([0]), QuantileSketch.of(ordered)
    places = -(-np.arange(1, bins) * ordered.size // bins) - 1
    edges = np.unique(ordered[places])
    ranks = np.concatenate([[0], ordered.searchsorted(edges, side="right"), [ordered.size]])
    return frozen_floats(edges), frozen_ints(np.diff(ranks)), QuantileSketch.of(ordered)


def _cells_like(values: FloatArray, some: BoolArray, edges: Sequence[FloatArray]) -> list[_Cells]:
    """Values per bin of each row where `some`: one count over the bins of all rows, with a last one for the rest."""
    cells = np.empty(values.shape, dtype=np.int64)
    starts, start = [], 0
    for row, row_values, row_edges in zip(cells, values, edges, strict=True):
        np.add(row_edges.searchsorted(row_values), start, out=row)
        starts.append(start)
        start += row_edges.size + 1
    if not some.all():
        cells[~some] = start
    counts = np.bincount(cells.ravel(), minlength=start + 1)
    counts.setflags(write=False)
    return [(one, counts[at : at + one.size + 1], None) for at, one in zip(starts, edges, strict=True)]
