"""Ratio of the rates of two arms from counts of events: errors, timeouts, complaints."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.alpha import check_alpha
from tidemill_stats.sequential.blocks import Block
from tidemill_stats.sequential.bounds import Bounds
from tidemill_stats.sequential.ratio import log_mixture

_BISECTIONS = 60


@dataclass(frozen=True)
class CountTest:
    """Always-valid confidence sequence of rate1 / rate0 when a fixed `share` of traffic goes to the candidate.

    Of all events, those of the candidate are a proportion share * rate1 / (share * rate1 + (1 - share) * rate0),
    however the rates move together over time; `lower` and `upper` bound that proportion over all looks.
    Only events are needed, so an error counts the moment it happens. When the share changes, start another test.
    """

    alpha: float
    share: float
    champion: int = 0
    candidate: int = 0
    lower: float = 0.0
    upper: float = 1.0

    @staticmethod
    def start(alpha: float, share: float) -> "CountTest":
        """Before any event; `alpha` and the candidate's `share` of traffic inside 0..1, else InvalidInput."""
        check_alpha(alpha)
        if not 0 < share < 1:
            raise InvalidInput(f"need 0 < share < 1, not {share}")
        return CountTest(alpha, share)

    def observe(self, events: Block[int]) -> "CountTest":
        """After more events (>= 0 of each arm, else InvalidInput) in any order and number.

        The proportions p not rejected by E(p) = B(1 + k1, 1 + k0) / (p^k1 (1 - p)^k0), an e-process: Lindon & Malek,
        "Anytime-valid inference for multinomial count data" (arXiv 2011.03567).
        """
        if events.champion < 0 or events.candidate < 0:
            raise InvalidInput(f"events must be counted from 0, not {events}")
        champion, candidate = self.champion + events.champion, self.candidate + events.candidate
        lower, upper = _not_rejected(champion, candidate, self.alpha)
        lower, upper = max(self.lower, lower), min(self.upper, upper)
        return replace(self, champion=champion, candidate=candidate, lower=lower, upper=upper)

    def bounds(self) -> Bounds:
        """Of the candidate's rate by the champion's, less 1: 0 is the same rate, 0.1 ten percent more events."""
        events = self.champion + self.candidate
        return Bounds(
            effect=self._excess(self.candidate / events) if events else 0.0,
            lower=self._excess(self.lower) if self.lower > 0 else -1.0,
            upper=self._excess(self.upper),
            alpha=self.alpha,
            champion_rows=self.champion,
            candidate_rows=self.candidate,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "CountTest":
        """The test that `to_dict` wrote. Raises InvalidInput when `values` is anything else."""
        try:
            return replace(
                CountTest.start(values["alpha"], values["share"]),
                champion=int(values["champion"]),
                candidate=int(values["candidate"]),
                lower=float(values["lower"]),
                upper=float(values["upper"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"not a test of counts: {error!r}") from error

    def _excess(self, proportion: float) -> float:
        if proportion >= 1:
            return math.inf
        return proportion * (1 - self.share) / ((1 - proportion) * self.share) - 1


def _not_rejected(champion: int, candidate: int, alpha: float) -> tuple[float, float]:
    if champion + candidate == 0:
        return 0.0, 1.0
    estimate = candidate / (champion + candidate)

    def rejected(proportion: float) -> bool:
        return log_mixture((champion, candidate), (1 - proportion, proportion)) >= -math.log(alpha)

    lower = 0.0 if candidate == 0 else _border(0.0, estimate, rejected)
    upper = 1.0 if champion == 0 else _border(1.0, estimate, rejected)
    return lower, upper


def _border(rejected_end: float, standing: float, rejected: Callable[[float], bool]) -> float:
    """The last rejected proportion between an end of 0..1 and one that stands: E(p) falls towards the estimate."""
    outside, inside = rejected_end, standing
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if rejected(middle) else (outside, middle)
    return outside
