"""Has the linear structure between the features moved? Error of reconstructing rows from principal components."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tidemill_stats.arrays import AnyArray, FloatArray, frozen_floats
from tidemill_stats.encoding import Encoding
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multivariate import ShiftResult
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.tails import pearson3_two_sided

_MEAN_RESOLUTION = 2.0**10
COMPONENT_RESOLUTION = 2.0**16
_ERROR_RESOLUTION = 2.0**12
_SMALLEST_SCALE = 1e-6
_MINIMUM_ROWS = 30
_FITTED_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class PcaReference:
    """Principal components of encoded training rows, and the errors of reconstructing held-out ones.

    `mean`: shape [width], in multiples of 2^-10. `components`: shape [k, width], orthonormal rows in multiples of
    2^-16. `scale` > 0: the unit of a row's squared error. `error`: the sums of the held-out rows' errors, of at least
    two, and `skewness` theirs. Raises InvalidInput when these do not hold.
    """

    encoding: Encoding
    mean: FloatArray
    components: FloatArray
    scale: float
    error: MeanEstimate
    skewness: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", frozen_floats(self.mean))
        object.__setattr__(self, "components", frozen_floats(self.components))
        if self.components.ndim != 2 or self.components.shape[1:] != self.mean.shape:
            raise InvalidInput(f"components {self.components.shape} do not fit a mean of {self.mean.shape}")
        if self.mean.shape != (self.encoding.width,):
            raise InvalidInput(f"a mean of {self.mean.shape} does not fit an encoding of {self.encoding.width}")
        if not (np.all(np.isfinite(self.mean)) and np.all(np.isfinite(self.components))):
            raise InvalidInput("mean and components must be finite")
        if not (0 < self.scale < math.inf and math.isfinite(self.skewness) and self.error.count >= 2):
            raise InvalidInput("need a scale above 0, a finite skewness and at least 2 held-out rows")

    def errors(self, matrix: AnyArray) -> FloatArray:
        """log(1 + squared distance to the span of the components / scale) of each encoded row, shape [rows].

        `matrix`: shape [rows, width], else InvalidInput. Multiples of 2^-12, so that `MeanEstimate` of them merges
        exactly.
        """
        if matrix.ndim != 2 or matrix.shape[1] != self.mean.size:
            raise InvalidInput(f"need a matrix of shape [rows, {self.mean.size}], not {matrix.shape}")
        return _rounded_logarithms(_residuals(matrix, self.mean, self._transposed) / self.scale)

    @cached_property
    def _transposed(self) -> FloatArray:
        return np.ascontiguousarray(self.components.T)


def fit_pca(matrix: AnyArray, encoding: Encoding, *, seed: int, variance: float = 0.9) -> PcaReference:
    """The reference of the training rows `matrix`, shape [rows, width], encoded by `encoding`.

    The components that explain `variance` (above 0, at most 1) of a half of the rows, drawn with `seed` >= 0, and the
    errors of the other half; each half at most 20,000 rows. Components: Pearson (1901), "On lines and planes of closest
    fit", Phil. Mag. 2(11). Raises InvalidInput below 4 rows or for another shape or `variance`.
    """
    if matrix.ndim != 2 or matrix.shape[0] < 4 or matrix.shape[1] != encoding.width or not 0 < variance <= 1:
        raise InvalidInput(f"need 4 rows of {encoding.width} and a variance in 0..1, not {matrix.shape}, {variance}")
    order = np.random.default_rng([seed, 2]).permutation(matrix.shape[0])[: 2 * _FITTED_ROWS]
    fitted, held_out = (matrix[np.sort(half)].astype(np.float64) for half in np.array_split(order, 2))
    mean = np.rint(fitted.mean(axis=0) * _MEAN_RESOLUTION) / _MEAN_RESOLUTION
    components = np.rint(_components(fitted, variance) * COMPONENT_RESOLUTION) / COMPONENT_RESOLUTION
    residuals = _residuals(held_out, mean, np.ascontiguousarray(components.T))
    scale = max(float(residuals.mean()), _SMALLEST_SCALE)
    errors = _rounded_logarithms(residuals / scale)
    deviation = float(errors.std())
    skewness = float(np.mean(((errors - errors.mean()) / deviation) ** 3)) if deviation > 0 else 0.0
    return PcaReference(encoding, mean, components, scale, MeanEstimate.of(errors), skewness)


def pca_shift(reference: PcaReference, window: MeanEstimate, *, design_effect: float = 1.0) -> ShiftResult:
    """Tests that rows of the window are as far from the training rows' components as held-out training rows are.

    `window`: of `reference.errors`. Two-sided: the difference of the means over its standard error, which without
    drift the reference's variance gives for both sides (a score test: Cox & Hinkley 1974, "Theoretical Statistics",
    ch. 9), both sizes divided by `design_effect` >= 1; its tail is Pearson's type III with the skewness of the
    difference, because errors are skewed. Below 30 rows the p-value is 1.

    The effect is the difference in standard deviations of a row's error (Cohen 1988, "Statistical Power Analysis"),
    less what chance gives, so that windows of different sizes compare; positive when rows are further away.
    Reconstruction error as a drift detector:
    Qahtan et al. (2015), "A PCA-based change detection framework for multidimensional data streams", KDD.
    """
    if not design_effect >= 1:
        raise InvalidInput(f"design_effect must be at least 1, not {design_effect}")
    if window.count == 0:
        return ShiftResult(0.0, 1.0, 0.0)
    deviation = math.sqrt(reference.error.variance)
    difference = window.mean - reference.error.mean
    if deviation == 0:
        moved = abs(difference) > 1 / _ERROR_RESOLUTION
        return ShiftResult(difference, float(not moved), difference)
    n, m = window.count / design_effect, reference.error.count / design_effect
    chance = 1 / n + 1 / m
    standardised = difference / deviation
    z = standardised / math.sqrt(chance)
    p_value = pearson3_two_sided(z, reference.skewness * (1 / n**2 - 1 / m**2) / chance**1.5)
    effect = math.copysign(math.sqrt(max(0.0, standardised**2 - chance)), standardised)
    return ShiftResult(z, p_value if window.count >= _MINIMUM_ROWS else 1.0, effect)


def _components(rows: FloatArray, variance: float) -> FloatArray:
    eigenvalues, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows, rowvar=False)))
    explained = np.cumsum(eigenvalues[::-1]) / max(float(eigenvalues.sum()), _SMALLEST_SCALE)
    kept = min(int(np.searchsorted(explained, variance * (1 - 1e-9))) + 1, eigenvalues.size)
    components: FloatArray = vectors[:, ::-1][:, :kept].T
    return components


def _rounded_logarithms(relative: FloatArray) -> FloatArray:
    rounded: FloatArray = np.rint(np.log1p(relative) * _ERROR_RESOLUTION)
    return rounded / _ERROR_RESOLUTION


def _residuals(matrix: AnyArray, mean: FloatArray, transposed: FloatArray) -> FloatArray:
    """Squared distance of each row to the span, shape [rows].

    All factors are on grids, so that projections are exact whatever the order of summation.
    """
    centred = matrix.astype(np.float64) - mean
    scores = centred @ transposed
    residuals: FloatArray = np.maximum(np.square(centred).sum(axis=1) - np.square(scores).sum(axis=1), 0.0)
    return residuals
