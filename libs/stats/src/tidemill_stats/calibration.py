"""How often each score of a binary classifier was right on rows it was not trained on."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import FloatArray, frozen_floats
from tidemill_stats.errors import InvalidInput

_NEWTON_STEPS = 50
_CONVERGED = 1e-10
_KNOTS = np.array([0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 0.95])
_FEWEST_EXPECTED = 0.5
_LEAST_OVERDISPERSION = 1e-6
_MOST_OVERDISPERSION = 0.5


@dataclass(frozen=True, eq=False)
class Calibration:
    """The share of positive labels in each equal score bin over 0..1, and what is not known of it.

    Shape [bins] each: its mean `rate`, 0 to 1, and the `variance` and third central moment `third` that are the bin's
    own. What bins have in common: `sensitivity`, shape [bins, k], of the rates to the parameters of a curve, and
    `covariance`, shape [k, k], of these.
    """

    rate: FloatArray
    variance: FloatArray
    third: FloatArray
    sensitivity: FloatArray
    covariance: FloatArray

    def __post_init__(self) -> None:
        for name in ("rate", "variance", "third", "sensitivity", "covariance"):
            object.__setattr__(self, name, frozen_floats(getattr(self, name)))

    @staticmethod
    def of(positives: npt.ArrayLike, negatives: npt.ArrayLike) -> "Calibration":
        """From counts of labels by score bin over rows not trained on, shape [bins] each, else InvalidInput.

        A logistic regression on the log-odds of the score, linear between knots (Cox 1958, "Two further applications of
        a model for binary regression", Biometrika 45; Hastie, Tibshirani & Friedman 2009, "The Elements of Statistical
        Learning", ch. 5), with a normal prior of deviation 1 around the score itself; and around the curve a beta
        distribution for each bin, as wide as the bins' overdispersion about it (Williams 1982, "Extra-binomial
        variation in logistic linear models", Applied Statistics 31). So a bin with many rows speaks for itself, and one
        with few or none is what the curve says, with a variance that tells.
        """
        up, down = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
        if up.ndim != 1 or up.size < 2 or up.shape != down.shape or np.any(up < 0) or np.any(down < 0):
            raise InvalidInput("histograms must have one shape [bins] and no negative counts")
        centres = (np.arange(up.size) + 0.5) / up.size
        terms = _terms(centres)
        curve, covariance = _curve(up, up + down, terms)
        strength = 1 / _overdispersion(up, up + down, curve) - 1
        a, b = up + strength * curve, down + strength * (1 - curve)
        total = a + b
        variance = a * b / (total**2 * (total + 1))
        return Calibration(
            rate=a / total,
            variance=variance,
            third=variance * 2 * (b - a) / (total * (total + 2)),
            sensitivity=(strength / total * curve * (1 - curve))[:, None] * terms,
            covariance=covariance,
        )

    def variance_of(self, weights: FloatArray) -> float:
        """Variance of the sum of the rates times `weights`, shape [bins]."""
        common = weights @ self.sensitivity
        return float(np.square(weights) @ self.variance + common @ self.covariance @ common)

    def third_of(self, weights: FloatArray) -> float:
        """Third central moment of the sum of the rates times `weights`, shape [bins]."""
        return float(weights**3 @ self.third)


def _terms(scores: FloatArray) -> FloatArray:
    """Regressors of each score, shape [bins, k]: 1, its log-odds, and how far these are above each knot's."""
    log_odds, knots = np.log(scores / (1 - scores)), np.log(_KNOTS / (1 - _KNOTS))
    hinges = np.maximum(log_odds[:, None] - knots, 0.0)
    return np.column_stack([np.ones(scores.size), log_odds, hinges])


def _curve(up: FloatArray, rows: FloatArray, terms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rates on the logistic curve, shape [bins], and the covariance of its parameters, by Newton's method."""
    parameters = _identity(terms)
    objective = _log_posterior(parameters, up, rows, terms)
    for _ in range(_NEWTON_STEPS):
        rate, information = _information(parameters, rows, terms)
        gradient = terms.T @ (up - rows * rate) - (parameters - _identity(terms))
        step = np.linalg.solve(information, gradient)
        if float(gradient @ step) < _CONVERGED:
            break
        while (moved := _log_posterior(parameters + step, up, rows, terms)) < objective:
            step = step / 2
            if float(np.abs(step).max()) < _CONVERGED:
                break
        parameters, objective = parameters + step, moved
    rate, information = _information(parameters, rows, terms)
    return rate, np.linalg.inv(information).astype(np.float64)


def _identity(terms: FloatArray) -> FloatArray:
    """The parameters of the curve on which every score is right."""
    identity: FloatArray = (np.arange(terms.shape[1]) == 1).astype(np.float64)
    return identity


def _log_posterior(parameters: FloatArray, up: FloatArray, rows: FloatArray, terms: FloatArray) -> float:
    log_odds = terms @ parameters
    likelihood = up @ log_odds - rows @ np.logaddexp(0.0, log_odds)
    return float(likelihood) - 0.5 * float(np.square(parameters - _identity(terms)).sum())


def _information(parameters: FloatArray, rows: FloatArray, terms: FloatArray) -> tuple[FloatArray, FloatArray]:
    rate = 1 / (1 + np.exp(-(terms @ parameters)))
    information = terms.T @ ((rows * rate * (1 - rate))[:, None] * terms) + np.eye(terms.shape[1])
    return rate, information


def _overdispersion(up: FloatArray, rows: FloatArray, curve: FloatArray) -> float:
    """Correlation within bins, above 0, by the method of moments, plus a standard error: rather too wide a beta."""
    spread = rows * curve * (1 - curve)
    used = spread >= _FEWEST_EXPECTED
    pairs = float(np.maximum(rows[used] - 1, 0).sum())
    if pairs == 0:
        return _MOST_OVERDISPERSION
    squares = float((np.square(up - rows * curve)[used] / spread[used]).sum())
    noise = math.sqrt(float((2 + 1 / spread[used]).sum()))
    found = (squares - np.count_nonzero(used) + noise) / pairs
    return min(max(found, _LEAST_OVERDISPERSION), _MOST_OVERDISPERSION)
