"""Distances between two distributions given as counts or probabilities per cell."""

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import FloatArray
from tidemill_stats.errors import InvalidInput


def js_divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Jensen-Shannon divergence in bits, 0 (equal) to 1 (disjoint), of non-negative weights of equal shape [k].

    Weights are normalised here; each must have a positive sum, else InvalidInput.
    Source: Lin (1991), "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37(1).
    """
    a, b = (weights / weights.sum() for weights in _checked(p, q))
    middle = (a + b) / 2
    bits = (_relative_entropy(a, middle) + _relative_entropy(b, middle)) / 2
    return min(1.0, max(0.0, bits))


def js_distance(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Square root of `js_divergence`, 0 to 1: a metric (Endres & Schindelin 2003, IEEE Trans. Inf. Theory 49(7))."""
    return float(np.sqrt(js_divergence(p, q)))


def psi(reference: npt.ArrayLike, window: npt.ArrayLike, *, pseudo_count: float = 0.5) -> float:
    """Population stability index of counts of equal shape [k], from 0, in nats; symmetric, unbounded.

    `pseudo_count` > 0 is added to each cell so that an empty cell does not make it infinite (0.5: Jeffreys' prior). Its
    expectation without drift is about (k - 1) (1/n + 1/m) for n and m values, so a fixed cut-off means something else
    at every window size. Raises InvalidInput for negative counts, an empty side or unequal shapes.
    Source: Lewis (1994), "An introduction to credit scoring"; Yurdakul & Naranjo (2020), J. Risk Model
    Validation 14(4).
    """
    if pseudo_count <= 0:
        raise InvalidInput("pseudo_count must be positive")
    a, b = (counts + pseudo_count for counts in _checked(reference, window))
    a, b = a / a.sum(), b / b.sum()
    return float(np.sum((b - a) * np.log(b / a)))


def _checked(p: npt.ArrayLike, q: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise InvalidInput(f"weights must have one shape [k], not {a.shape} and {b.shape}")
    if not (np.all(a >= 0) and np.all(b >= 0) and 0 < a.sum() < np.inf and 0 < b.sum() < np.inf):
        raise InvalidInput("weights must be finite, not negative, with a positive sum")
    return a, b


def _relative_entropy(p: FloatArray, q: FloatArray) -> float:
    some = (p > 0) & (q > 0)
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))
