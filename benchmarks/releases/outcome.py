"""How one release ended."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.releases.worlds import WEEK, World

End = Literal["promoted", "rolled back", "inconclusive"]


@dataclass(frozen=True)
class Outcome:
    """`hours` of event time until the end; `answered`: predictions of the candidate until then."""

    end: End
    hours: float
    answered: int

    def in_week(self, world: World) -> float:
        """Predictions of the candidate in the week from its start, or until the release ends if that is later."""
        if self.end != "promoted":
            return float(self.answered)
        return self.answered + max(0.0, WEEK - self.hours) * world.traffic
