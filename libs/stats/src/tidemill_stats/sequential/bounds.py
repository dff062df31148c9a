"""A confidence sequence as it stands now."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Bounds:
    """The effect of the candidate: its estimate, and the open interval it lies in.

    `effect`, `lower`, `upper`: candidate less champion in the metric's unit, or for counts the ratio of their rates
    less one; 0 is no difference. With probability 1 - `alpha` the true effect lies inside at every look, however many
    there are. `champion_rows`, `candidate_rows`: what it rests on. Wholly unknown it is (-inf, inf). Should the true
    effect change over time, `lower` may come to exceed `upper`.
    """

    effect: float
    lower: float
    upper: float
    alpha: float
    champion_rows: int
    candidate_rows: int

    @property
    def known(self) -> bool:
        """Whether they say anything yet."""
        return self.lower > -inf or self.upper < inf
