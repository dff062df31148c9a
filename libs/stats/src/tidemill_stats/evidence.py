"""What the tests found in one window, and the words for how much it matters and what is asked."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tidemill_stats.errors import InvalidInput


class Severity(IntEnum):
    """How much it matters; numbered as `tidemill.v1.Severity`."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


class Action(StrEnum):
    """What an alarm asks for; `NONE`: it is only recorded."""

    RETRAIN = "retrain"
    TELL_DATA_SCIENTIST = "tell_data_scientist"
    TELL_DATA_ENGINEER = "tell_data_engineer"
    NONE = "none"


@dataclass(frozen=True)
class Evidence:
    """One test's result on one subject (a feature or a metric) in the last `scale` >= 1 windows together.

    `p_value`, 0 to 1, is corrected for all tests of its finding: features, scales and kinds. Larger `effect` is worse,
    in the test's unit. `explanation`: one clause with its numbers. Raises InvalidInput out of range.
    """

    subject: str
    test: str
    statistic: float
    p_value: float
    effect: float
    scale: int = 1
    explanation: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.p_value <= 1 and self.effect == self.effect and self.scale >= 1):
            raise InvalidInput(f"need 0 <= p_value <= 1, an effect and scale >= 1: {self}")

    @property
    def order(self) -> tuple[float, float, int, str, str]:
        """Sorts the strongest first: by effect, p-value, scale, subject and test."""
        return -self.effect, self.p_value, self.scale, self.subject, self.test


@dataclass(frozen=True)
class Finding:
    """All evidence known at the close of the window [start, end), microseconds of event time since the epoch.

    `level`, 0 < level < 1: the probability of a false alarm that this window may spend (`FalseAlarmBudget.level`). A
    subject may have several tests and scales, each once. Raises InvalidInput otherwise.
    """

    start: int
    end: int
    level: float
    evidence: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise InvalidInput(f"window must end after it starts, not {self.start}..{self.end}")
        if not 0 < self.level < 1:
            raise InvalidInput(f"need 0 < level < 1, not {self.level}")
        if len({(one.subject, one.test, one.scale) for one in self.evidence}) < len(self.evidence):
            raise InvalidInput("a subject has the same test twice at one scale")
