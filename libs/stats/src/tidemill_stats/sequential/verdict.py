"""What the bounds say of one metric."""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite

from tidemill_stats.errors import InvalidInput
from tidemill_stats.sequential.bounds import Bounds


class Verdict(StrEnum):
    """Of the candidate, compared with the champion."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Metric:
    """A metric's evidence. `margin` >= 0: the loss that is tolerated, in the unit of the bounds; else InvalidInput.

    A guardrail can only stop a release; without a margin it need not be shown to be not worse first.
    """

    name: str
    bounds: Bounds
    higher_is_better: bool
    margin: float | None = None
    guardrail: bool = False

    def __post_init__(self) -> None:
        if self.margin is not None and not (isfinite(self.margin) and self.margin >= 0):
            raise InvalidInput(f"the margin of {self.name} must be finite and not negative, not {self.margin}")

    @property
    def gain(self) -> Bounds:
        """The bounds turned so that above 0 is better."""
        if self.higher_is_better:
            return self.bounds
        return replace(self.bounds, effect=-self.bounds.effect, lower=-self.bounds.upper, upper=-self.bounds.lower)

    @property
    def not_worse(self) -> bool:
        """Whether it is shown that nothing, or at most the margin, is lost: no evidence of loss is not enough."""
        return self.gain.lower >= -(self.margin or 0.0)


def judge(metric: Metric, before: Verdict = Verdict.UNDECIDED) -> Verdict:
    """The verdict on one metric; `before`, the one of the last look, stays once decided.

    WORSE: surely worse, and by the estimate by more than the margin. BETTER: surely better. EQUIVALENT: surely within
    the margin on both sides. Every claim holds at once, and at all looks, with probability 1 - alpha of its bounds.
    Source: decisions by confidence intervals, Schuirmann (1987), "A comparison of the two one-sided tests procedure",
    J. Pharmacokinet. Biopharm. 15(6), with an always-valid confidence sequence for interval (arXiv 2103.06476).
    """
    if before is not Verdict.UNDECIDED:
        return before
    gain, margin = metric.gain, metric.margin or 0.0
    if gain.upper <= 0 and gain.effect < -margin:
        return Verdict.WORSE
    if gain.lower >= 0:
        return Verdict.BETTER
    if -margin <= gain.lower and gain.upper <= margin:
        return Verdict.EQUIVALENT
    return Verdict.UNDECIDED
