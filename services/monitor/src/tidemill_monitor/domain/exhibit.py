"""Evidence with the distributions it is about."""

from dataclasses import dataclass

from tidemill_stats.column import ColumnProfile
from tidemill_stats.evidence import Evidence


@dataclass(frozen=True)
class Exhibit:
    """One piece of evidence, and how its subject was distributed then and is now where it has a distribution.

    `value`: what was measured, in the subject's own unit, where there is one.
    """

    evidence: Evidence
    then: ColumnProfile | None = None
    now: ColumnProfile | None = None
    value: float | None = None

    @property
    def place(self) -> tuple[str, str, int]:
        """What tells it from the other pieces of a finding."""
        return self.evidence.subject, self.evidence.test, self.evidence.scale
