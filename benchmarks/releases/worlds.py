"""What is released and where: candidates of known quality, and services of known traffic and delay of labels."""

from dataclasses import dataclass

DELTA = 0.02
DELAY = 3
"""Panes until the last labels are known, where labels take time."""
PANE = 1500
"""Predictions of one pane of event time: how often there is a look."""
WEEK = 7 * 24.0

LATE = 0.3
_EARLY_RATE = 0.8 / 7
_LATE_RATE = 0.4
ERROR_RATE = (1 - LATE) * _EARLY_RATE + LATE * _LATE_RATE
FAILING, SLOW = 0.001, 0.002


@dataclass(frozen=True)
class Quality:
    """Of one version, shares: `late` and `early` are wrong answers by the class of the row, .3 and .7 of all rows."""

    name: str
    late: float = _LATE_RATE
    early: float = _EARLY_RATE
    failing: float = FAILING
    slow: float = SLOW
    is_worse: bool = False


def _off(name: str, deltas: float) -> Quality:
    """An error rate so many `DELTA` off the champion's, all of it in the class whose labels come late."""
    return Quality(name, late=_LATE_RATE + deltas * DELTA / LATE, is_worse=deltas > 0)


CHAMPION = Quality("champion")
CANDIDATES = (
    _off("error rate + 2 δ", 2.0),
    _off("error rate + 1.25 δ", 1.25),
    Quality("5 % of requests fail", failing=0.05, is_worse=True),
    Quality("5 % of answers slow", slow=0.05, is_worse=True),
    _off("equal", 0.0),
    _off("error rate − δ", -1.0),
)


@dataclass(frozen=True)
class World:
    """A service. `traffic`: predictions an hour; `delay`: panes until the last labels are known, 0 or `DELAY`."""

    traffic: int
    delay: int

    @property
    def pane(self) -> float:
        """Hours of one pane."""
        return PANE / self.traffic

    @property
    def name(self) -> str:
        labels = f"labels within {self.delay * self.pane:g} h" if self.delay else "labels at once"
        return f"{self.traffic:,} an hour, {labels}"


WORLDS = (World(3000, 0), World(3000, DELAY), World(300, 0), World(300, DELAY))
