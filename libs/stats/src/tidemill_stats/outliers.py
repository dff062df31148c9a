"""How unlike the training rows is a row, and are there more such rows than there were?"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import AnyArray, FloatArray, IntArray, SingleArray, frozen_ints
from tidemill_stats.distributions import hypergeometric_tail
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multivariate import ShiftResult

_FIXED_POINT = 2.0**16
_FITTED_ROWS = 20_000

_IndexArray = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class HalfSpaceForest:
    """Half-space trees of one depth: `features` and `thresholds`, shape [trees, 2^depth - 1], of the inner nodes
    breadth first, and `masses`, shape [trees, 2^depth], the training rows in each leaf, as many in each tree.

    A row goes right where its feature is above the threshold. Raises InvalidInput when these do not hold.
    """

    features: _IndexArray
    thresholds: SingleArray
    masses: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", np.array(self.features, dtype=np.int32))
        object.__setattr__(self, "thresholds", np.array(self.thresholds, dtype=np.float32))
        object.__setattr__(self, "masses", frozen_ints(self.masses))
        self.features.setflags(write=False)
        self.thresholds.setflags(write=False)
        if self.masses.ndim != 2 or self.masses.size == 0 or self.masses.shape[1] != 2**self.depth:
            raise InvalidInput(f"masses must be of shape [trees, 2^depth], not {self.masses.shape}")
        inner = (self.masses.shape[0], self.masses.shape[1] - 1)
        if self.features.shape != inner or self.thresholds.shape != inner:
            raise InvalidInput(f"features and thresholds must be of shape {inner}, not {self.features.shape}")
        if np.any(self.masses < 0) or np.any(self.features < 0) or not np.all(np.isfinite(self.thresholds)):
            raise InvalidInput("masses and features must not be negative, and thresholds must be finite")
        if np.unique(self.masses.sum(axis=1)).size != 1 or not self.masses.any():
            raise InvalidInput("every tree must hold the same rows, at least one")

    @property
    def depth(self) -> int:
        """Splits between root and leaf."""
        return int(self.masses.shape[1]).bit_length() - 1

    def score(self, matrix: AnyArray) -> FloatArray:
        """How outlying each encoded row of `matrix`, shape [rows, width], is: shape [rows], 0 to 1.

        One less the mean over the trees of log(1 + mass of the row's leaf), relative to that of all rows: 1 where no
        tree saw a training row. The mean of logarithms rather than Tan's sum of masses, which the one tree that keeps
        an outlier in a crowded half-space would decide. Raises InvalidInput for fewer columns than the trees split.
        """
        if matrix.ndim != 2 or (self.features.size and matrix.shape[1] <= int(self.features.max())):
            raise InvalidInput(f"a matrix of shape {matrix.shape} has not the columns that the trees split")
        leaves = _leaves(matrix, self.features, self.thresholds)
        crowdedness = self._logarithms.take(leaves + self._offsets).sum(axis=1)
        score: FloatArray = 1.0 - crowdedness / (_FIXED_POINT * self.masses.shape[0])
        return score

    @cached_property
    def _logarithms(self) -> IntArray:
        relative = np.log1p(self.masses) / math.log1p(int(self.masses[0].sum()))
        logarithms: IntArray = np.rint(relative * _FIXED_POINT).astype(np.int64)
        return logarithms

    @cached_property
    def _offsets(self) -> IntArray:
        offsets: IntArray = np.arange(self.masses.shape[0], dtype=np.int64) * self.masses.shape[1]
        return offsets


@dataclass(frozen=True, eq=False)
class OutlierReference:
    """A forest over encoded training rows; what scores above `threshold` is an outlier.

    `outliers` of `rows` held-out training rows are; else InvalidInput unless 0 <= outliers <= rows, rows > 0.
    """

    encoding: Encoding
    forest: HalfSpaceForest
    threshold: float
    rows: int
    outliers: int

    def __post_init__(self) -> None:
        if not (0 <= self.outliers <= self.rows and self.rows > 0 and 0 <= self.threshold <= 1):
            raise InvalidInput("need 0 <= outliers <= rows, rows above 0 and a threshold in 0..1")
        if self.forest.features.size and int(self.forest.features.max()) >= self.encoding.width:
            raise InvalidInput("the forest splits columns that the encoding does not have")

    def count(self, matrix: AnyArray) -> int:
        """Outliers among the encoded rows of `matrix`, shape [rows, width]."""
        return int(np.count_nonzero(self.forest.score(matrix) > self.threshold))


def fit_outliers(
    matrix: AnyArray, encoding: Encoding, *, seed: int, trees: int = 25, depth: int = 8, share: float = 0.01
) -> OutlierReference:
    """The reference of the training rows `matrix`, shape [rows, width], encoded by `encoding`.

    Half-space trees hold a half of the rows, drawn with `seed` >= 0; the threshold is that which a `share` (in 0..1)
    of the other half exceeds; each half at most 20,000 rows. Each tree draws a work space around the range of the data
    and halves it at random features: Tan, Ting & Liu (2011), "Fast anomaly detection for streaming data", IJCAI.
    Raises InvalidInput below 4 rows, or for another shape, `trees` or `depth` below 1 or `depth` above 16.
    """
    if matrix.ndim != 2 or matrix.shape[0] < 4 or matrix.shape[1] != encoding.width or not matrix.shape[1]:
        raise InvalidInput(f"need at least 4 rows of {encoding.width} columns, not {matrix.shape}")
    if trees < 1 or not 1 <= depth <= 16 or not 0 < share < 1:
        raise InvalidInput("need trees >= 1, depth in 1..16 and share in 0..1")
    random = np.random.default_rng([seed, 3])
    order = random.permutation(matrix.shape[0])[: 2 * _FITTED_ROWS]
    held_out, fitted = (matrix[np.sort(half)] for half in np.array_split(order, 2))
    features, thresholds = _draw_trees(fitted, trees, depth, random)
    leaves = _leaves(fitted, features, thresholds)
    masses = np.stack([np.bincount(leaves[:, tree], minlength=2**depth) for tree in range(trees)])
    forest = HalfSpaceForest(features, thresholds, masses)
    scores = forest.score(held_out)
    threshold = float(np.quantile(scores, 1 - share, method="inverted_cdf"))
    return OutlierReference(encoding, forest, threshold, scores.size, int(np.count_nonzero(scores > threshold)))


def outlier_rate_test(
    outliers: int, rows: int, reference_outliers: int, reference_rows: int, *, design_effect: float = 1.0
) -> ShiftResult:
    """Tests that a window of `rows` with `outliers` has no greater share of them than the reference has.

    Fisher's exact test (1935, "The logic of inductive inference"), one-sided. Its tail is also that of the negative
    hypergeometric count of window rows above a value which `reference_outliers` of the reference's exceed (Wilks 1942,
    Ann. Math. Stat. 13), so that it holds for a threshold taken from the reference itself. Counts are divided by
    `design_effect` >= 1 (Rao & Scott 1981, JASA 76), and rounded towards no alarm.

    The statistic is `outliers`, the effect the difference of the shares, -1 to 1. Raises InvalidInput unless both
    0 <= outliers <= rows.
    """
    if not (0 <= outliers <= rows and 0 <= reference_outliers <= reference_rows and design_effect >= 1):
        raise InvalidInput("need 0 <= outliers <= rows on both sides and design_effect >= 1")
    if rows == 0 or reference_rows == 0:
        return ShiftResult(float(outliers), 1.0, 0.0)
    effect = outliers / rows - reference_outliers / reference_rows
    found, drawn = math.floor(outliers / design_effect), math.ceil(rows / design_effect)
    known, others = (math.ceil(count / design_effect) for count in (reference_outliers, reference_rows))
    p_value = hypergeometric_tail(found, drawn + others, found + known, drawn)
    return ShiftResult(float(outliers), p_value, effect)


def _draw_trees(rows: AnyArray, trees: int, depth: int, random: np.random.Generator) -> tuple[_IndexArray, SingleArray]:
    """Feature and threshold of each inner node, shape [trees, 2^depth - 1]."""
    values = rows.astype(np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    centre = random.uniform(low, high, size=(trees, low.size))
    reach = 2 * np.maximum(centre - low, high - centre)
    lower, upper = (centre - reach)[:, None, :], (centre + reach)[:, None, :]
    each = np.arange(trees)[:, None]
    features, thresholds = [], []
    for level in range(depth):
        node = np.arange(2**level)[None, :]
        split = random.integers(low.size, size=(trees, 2**level))
        middle = (lower[each, node, split] + upper[each, node, split]) / 2
        features.append(split)
        thresholds.append(middle)
        lower, upper = np.repeat(lower, 2, axis=1), np.repeat(upper, 2, axis=1)
        upper[each, 2 * node, split] = middle
        lower[each, 2 * node + 1, split] = middle
    return np.concatenate(features, axis=1).astype(np.int32), np.concatenate(thresholds, axis=1).astype(np.float32)


def _leaves(matrix: AnyArray, features: _IndexArray, thresholds: SingleArray) -> IntArray:
    """The leaf, from the left, that each row reaches in each tree, shape [rows, trees]."""
    trees, inner = features.shape
    offsets = np.arange(trees, dtype=np.int64) * inner
    starts = np.arange(matrix.shape[0], dtype=np.int64)[:, None] * matrix.shape[1]
    values, cuts = np.ascontiguousarray(matrix).ravel(), thresholds.ravel()
    split = features.ravel().astype(np.int64)
    nodes = np.zeros((matrix.shape[0], trees), dtype=np.int64)
    for _ in range(inner.bit_length()):
        places = nodes + offsets
        at = split.take(places)
        at += starts
        nodes += nodes
        nodes += 1
        nodes += values.take(at) > cuts.take(places)
    leaves: IntArray = nodes - inner
    return leaves
