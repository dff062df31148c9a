"""Is a share above what is allowed?"""

from scipy.special import bdtrc


def binomial_tail(successes: int, rows: int, share: float) -> float:
    """P(X >= successes) for X binomial of `rows` trials with probability `share`, 0 to 1.

    The exact one-sided binomial test: Clopper & Pearson (1934), Biometrika 26(4).
    """
    if successes <= 0:
        return 1.0
    if share <= 0:
        return 0.0
    return float(bdtrc(successes - 1, rows, min(share, 1.0)))
