"""Whether traffic is split as it was meant to be."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.alpha import check_alpha


@dataclass(frozen=True)
class SampleRatioTest:
    """Always-valid test that rows go to arms in `shares`; `counts` so far; `log_e`: the largest over all looks.

    Two or more arms, in one fixed order. When shares change, start another test (and split alpha over them).
    """

    alpha: float
    shares: tuple[float, ...]
    counts: tuple[int, ...]
    log_e: float = 0.0

    @staticmethod
    def start(alpha: float, shares: Sequence[float]) -> "SampleRatioTest":
        """Before any row; `alpha` inside 0..1, two or more positive `shares` that add up to 1, else InvalidInput."""
        check_alpha(alpha)
        if len(shares) < 2 or min(shares) <= 0 or not math.isclose(math.fsum(shares), 1, abs_tol=1e-9):
            raise InvalidInput(f"need two or more positive shares that add up to 1, not {shares}")
        return SampleRatioTest(alpha, tuple(shares), (0,) * len(shares))

    def observe(self, counts: Sequence[int]) -> "SampleRatioTest":
        """After more rows (>= 0 of each arm, else InvalidInput) in any order and number.

        Source: Lindon & Malek, "Anytime-valid inference for multinomial count data" (arXiv 2011.03567).
        """
        if len(counts) != len(self.counts) or min(counts) < 0:
            raise InvalidInput(f"need a count of 0 or more for each of {len(self.counts)} arms, not {counts}")
        total = tuple(before + more for before, more in zip(self.counts, counts, strict=True))
        return replace(self, counts=total, log_e=max(self.log_e, log_mixture(total, self.shares)))

    @property
    def mismatch(self) -> bool:
        """Whether the split is surely another; false with probability at least 1 - alpha at every look if it is not."""
        return self.log_e >= -math.log(self.alpha)

    @property
    def p_value(self) -> float:
        """Always-valid p-value, 0 to 1, never increasing."""
        return math.exp(-self.log_e)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return {**asdict(self), "shares": list(self.shares), "counts": list(self.counts)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "SampleRatioTest":
        """The test that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            start = SampleRatioTest.start(values["alpha"], values["shares"])
            return replace(start.observe(values["counts"]), log_e=float(values["log_e"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a test of a sample ratio: {error!r}") from error


def log_mixture(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Logarithm of the e-process of `counts` by arm against `shares` of a multinomial.

    The likelihood averaged over all other shares alike (Dirichlet with ones), by that of `shares`:
    B(1 + k) / (B(1) prod shares^k), B the multivariate beta function. For two arms it is
    B(1 + k1, 1 + k0) / (w^k1 (1 - w)^k0). Source: Lindon & Malek (arXiv 2011.03567).
    """
    mixture = math.lgamma(len(counts)) - math.lgamma(len(counts) + sum(counts))
    for count, share in zip(counts, shares, strict=True):
        if count:
            mixture += math.lgamma(count + 1) - (count * math.log(share) if share > 0 else -math.inf)
    return mixture
