"""How much error each metric may make."""

from collections.abc import Mapping
from math import fsum, isfinite

from tidemill_stats.errors import InvalidInput


def split_alpha(alpha: float, weights: Mapping[str, float]) -> dict[str, float]:
    """Each name's share of `alpha` (0 to 1, exclusive), in proportion to its weight > 0; they add up to `alpha`.

    Then the probability that any of the tests errs is at most `alpha`, whatever their dependence: the weighted
    Bonferroni rule (Genovese, Roeder & Wasserman 2006, "False discovery control with p-value weighting",
    Biometrika 93(3)). Split it likewise over the steps of a rollout. Raises InvalidInput out of range.
    """
    check_alpha(alpha)
    if not weights or not all(isfinite(weight) and weight > 0 for weight in weights.values()):
        raise InvalidInput("need at least one weight, each finite and above 0")
    total = fsum(weights.values())
    return {name: alpha * weight / total for name, weight in weights.items()}


def check_alpha(alpha: float) -> None:
    """Raises InvalidInput unless 0 < alpha < 1."""
    if not 0 < alpha < 1:
        raise InvalidInput(f"need 0 < alpha < 1, not {alpha}")
