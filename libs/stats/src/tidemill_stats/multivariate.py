"""Has the joint distribution of the features moved? Maximum mean discrepancy by random features of a kernel."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tidemill_stats.arrays import AnyArray, FloatArray, IntArray, frozen_floats, frozen_ints
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.tails import weighted_chi_square_tail

_FIXED_POINT = 2.0**20
FREQUENCY_RESOLUTION = 2.0**16
_BANDWIDTH_ROWS = 500
_NEGLIGIBLE_VARIANCE = 1e-9
_MINIMUM_ROWS = 30


@dataclass(frozen=True)
class ShiftResult:
    """What a test of a window against the reference says; `p_value` 1 and `effect` 0 when one of them has no rows."""

    statistic: float
    p_value: float
    effect: float


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Sums of the random features over `rows` rows, shape [size], in units of 2^-20; `a + b` is of the rows of both.

    Addition is of integers, so that the order and the cuts of the rows make no difference. It raises
    IncompatibleProfiles for sums of unlike sizes.
    """

    rows: int
    sums: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "sums", frozen_ints(self.sums))
        if self.rows < 0 or self.sums.ndim != 1:
            raise InvalidInput("need rows >= 0 and sums of shape [size]")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KernelSums) and self.rows == other.rows and np.array_equal(self.sums, other.sums)

    def __add__(self, other: "KernelSums") -> "KernelSums":
        if self.sums.shape != other.sums.shape:
            raise IncompatibleProfiles(f"sums of {self.sums.size} and {other.sums.size} random features do not add up")
        return KernelSums(self.rows + other.rows, self.sums + other.sums)

    @property
    def mean(self) -> FloatArray:
        """Mean of each random feature, shape [size]; NaN without rows."""
        return self.sums / (_FIXED_POINT * self.rows) if self.rows else np.full(self.sums.size, math.nan)


@dataclass(frozen=True, eq=False)
class KernelReference:
    """Mean embedding of `rows` >= 2 training rows in random features: a cosine and a sine at each frequency.

    `frequencies`, shape [width of the encoding, size / 2], in multiples of 2^-16; `mean`, shape [size]; `weights`,
    shape [k], the eigenvalues above 0 of the features' covariance. Raises InvalidInput when these do not hold.
    """

    encoding: Encoding
    frequencies: FloatArray
    mean: FloatArray
    weights: FloatArray
    rows: int

    def __post_init__(self) -> None:
        for name in ("frequencies", "mean", "weights"):
            object.__setattr__(self, name, frozen_floats(getattr(self, name)))
        if self.frequencies.ndim != 2 or self.frequencies.shape[0] != self.encoding.width:
            raise InvalidInput(f"need frequencies of {self.encoding.width} columns, not {self.frequencies.shape}")
        if not self.mean.size or self.mean.shape != (2 * self.frequencies.shape[1],):
            raise InvalidInput(f"a mean of {self.mean.shape} does not fit frequencies of {self.frequencies.shape}")
        if not (np.all(np.isfinite(self.frequencies)) and np.all(np.isfinite(self.mean)) and self.rows >= 2):
            raise InvalidInput("need finite frequencies, a finite mean and at least 2 rows")
        if self.weights.ndim != 1 or not (np.all(self.weights > 0) and np.all(np.isfinite(self.weights))):
            raise InvalidInput("weights must be finite and above 0")

    @property
    def size(self) -> int:
        """Number of random features: a cosine and a sine of each frequency."""
        return self.mean.size

    def empty(self) -> KernelSums:
        """The sums of no rows."""
        return KernelSums(0, np.zeros(self.size, dtype=np.int64))

    def sums(self, matrix: AnyArray) -> KernelSums:
        """The sums of the encoded rows of `matrix`, shape [rows, width]; raises InvalidInput for another shape."""
        return _sums(matrix, self.frequencies)


def fit_kernel(matrix: AnyArray, encoding: Encoding, *, seed: int, size: int = 64) -> KernelReference:
    """The reference of the training rows `matrix`, shape [rows, width], encoded by `encoding`.

    Random Fourier features (Rahimi & Recht 2007, "Random features for large-scale kernel machines", NIPS), a cosine
    and a sine of each of `size` / 2 frequencies (Sutherland & Schneider 2015, "On the error of random Fourier
    features", UAI). Bandwidth: the median distance between two rows (Gretton et al. 2012, JMLR 13) of a sample drawn
    with `seed` >= 0. Raises InvalidInput below 2 rows, for another shape, or an odd `size`.
    """
    if matrix.ndim != 2 or matrix.shape[0] < 2 or matrix.shape[1] != encoding.width or size < 2 or size % 2:
        raise InvalidInput(f"need 2 rows of {encoding.width} columns and an even size, not {matrix.shape} and {size}")
    bandwidth = _median_distance(matrix, np.random.default_rng([seed, 1]))
    frequencies = _frequencies(encoding.width, size, bandwidth, seed)
    sums = _sums(matrix, frequencies)
    covariance = np.atleast_2d(np.cov(_features(matrix, frequencies), rowvar=False))
    eigenvalues = np.linalg.eigvalsh(covariance)[::-1].astype(np.float64)
    weights = eigenvalues[eigenvalues > _NEGLIGIBLE_VARIANCE]
    return KernelReference(encoding, frequencies, sums.mean, weights, matrix.shape[0])


def kernel_shift(reference: KernelReference, window: KernelSums, *, design_effect: float = 1.0) -> ShiftResult:
    """Tests that the window's rows come from the reference's distribution, features taken together.

    The statistic is n m / (n + m) times the squared distance between the two mean embeddings (Gretton et al. 2012, "A
    kernel two-sample test", JMLR 13; by random features Zhao & Meng 2015, "FastMMD", Neural Computation 27), with n
    and m the rows of window and reference, divided by `design_effect` >= 1. Without drift it tends to a sum of
    chi-squares weighted by the eigenvalues of the features' covariance, for any n and m; from about 100 rows, below 30
    the p-value is 1.

    The effect is the distance itself, the root of its square less what chance gives at these sizes, 0 to 2, so that
    windows of different sizes compare. Raises IncompatibleProfiles for a window of another size of features.
    """
    if window.sums.shape != reference.mean.shape:
        raise IncompatibleProfiles(f"{window.sums.size} random features where {reference.size} are expected")
    if not design_effect >= 1:
        raise InvalidInput(f"design_effect must be at least 1, not {design_effect}")
    if window.rows == 0:
        return ShiftResult(0.0, 1.0, 0.0)
    chance = design_effect * (1 / window.rows + 1 / reference.rows)
    squared = float(np.square(window.mean - reference.mean).sum())
    if reference.weights.size == 0:
        moved = squared > _NEGLIGIBLE_VARIANCE
        return ShiftResult(squared / chance, float(not moved), math.sqrt(squared) if moved else 0.0)
    excess = squared - chance * float(reference.weights.sum())
    p_value = weighted_chi_square_tail(squared / chance, reference.weights) if window.rows >= _MINIMUM_ROWS else 1.0
    return ShiftResult(squared / chance, p_value, math.sqrt(max(0.0, excess)))


def kernel_design_effect(reference: KernelReference, parts: Iterable[KernelSums]) -> float:
    """How many rows carry the information of one independent row, at least 1, from parts of the training rows.

    The mean over `parts`, consecutive in time, of the statistic of each against all of them, over its expectation for
    independent rows: the overdispersion of Rao & Scott (1981), JASA 76(374), with embeddings in place of cells.
    """
    expected = float(reference.weights.sum())
    ratios = [
        float(np.square(part.mean - reference.mean).sum()) / (expected * (1 / part.rows - 1 / reference.rows))
        for part in parts
        if 0 < part.rows < reference.rows and expected > 0
    ]
    return max(1.0, sum(ratios) / len(ratios)) if ratios else 1.0


def _frequencies(width: int, size: int, bandwidth: float, seed: int) -> FloatArray:
    drawn = np.random.default_rng([seed, 0]).standard_normal((width, size // 2)) / bandwidth
    rounded: FloatArray = np.rint(drawn * FREQUENCY_RESOLUTION) / FREQUENCY_RESOLUTION
    return rounded


def _features(matrix: AnyArray, frequencies: FloatArray) -> FloatArray:
    """Features of each row, shape [rows, size], multiples of 2^-20; each row's square sums to about 1.

    Both factors are on grids, so that the products sum exactly whatever the order of summation.
    """
    if matrix.ndim != 2 or matrix.shape[1] != frequencies.shape[0]:
        raise InvalidInput(f"need a matrix of shape [rows, {frequencies.shape[0]}], not {matrix.shape}")
    phases = (matrix.astype(np.float64) @ frequencies).astype(np.float32)
    scale = _FIXED_POINT / math.sqrt(frequencies.shape[1])
    waves = np.concatenate([np.cos(phases), np.sin(phases)], axis=1).astype(np.float64)
    rounded: FloatArray = np.rint(waves * scale) / _FIXED_POINT
    return rounded


def _sums(matrix: AnyArray, frequencies: FloatArray) -> KernelSums:
    sums = _features(matrix, frequencies).sum(axis=0) * _FIXED_POINT
    return KernelSums(matrix.shape[0], sums.astype(np.int64))


def _median_distance(matrix: AnyArray, random: np.random.Generator) -> float:
    rows = random.choice(matrix.shape[0], min(matrix.shape[0], _BANDWIDTH_ROWS), replace=False)
    sample = matrix[np.sort(rows)].astype(np.float64)
    norms = np.square(sample).sum(axis=1)
    squares = norms[:, None] + norms[None, :] - 2 * sample @ sample.T
    distances = np.sqrt(np.maximum(squares[np.triu_indices(len(rows), 1)], 0.0))
    positive = distances[distances > _NEGLIGIBLE_VARIANCE]
    return float(np.median(positive)) if positive.size else 1.0
