"""Loads in pairs: one to Triton itself, then the same through the gateway, so that both meet the same machine."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from benchmarks.gateway.bench import Bench
from benchmarks.gateway.loads import Load, Outcome

SETTLE_SECONDS = 1.0
"""What the gateway still does after the last answer, the log's flush before all, counts as its work."""
LOGGED, UNLOGGED = "tidemill_gateway_log_rows_total", "tidemill_gateway_log_drops_total"
UNMIRRORED = "tidemill_gateway_mirror_drops_total"


@dataclass(frozen=True)
class Through:
    """A load through the gateway: its outcome, processor seconds a request, resident bytes after it, and what of the
    log and of the mirrors was dropped."""

    outcome: Outcome
    cpu: float
    resident: int
    unlogged: int
    unmirrored: int


@dataclass(frozen=True)
class Pair:
    """The same load without the gateway and with it."""

    direct: Outcome
    through: Through

    @property
    def ratio(self) -> float:
        """The gateway's rate over Triton's."""
        return self.through.outcome.rate / self.direct.rate

    @property
    def added(self) -> float:
        """Seconds that the gateway adds to the median latency."""
        return self.through.outcome.p50 - self.direct.p50


def pair(bench: Bench, direct: Load, through: Load, connections: int, seconds: float) -> Pair:
    """One load to each."""
    return Pair(direct.run(connections, seconds), watched(bench, through, connections, seconds))


def watched(bench: Bench, load: Load, connections: int, seconds: float) -> Through:
    """A load through the gateway, with what it cost."""
    unlogged, unmirrored, before = bench.counted(UNLOGGED), bench.counted(UNMIRRORED), bench.usage()
    outcome = load.run(connections, seconds)
    time.sleep(SETTLE_SECONDS)
    after = bench.usage()
    return Through(
        outcome,
        (after.cpu - before.cpu) / outcome.requests,
        after.resident,
        round(bench.counted(UNLOGGED) - unlogged),
        round(bench.counted(UNMIRRORED) - unmirrored),
    )


def middle(things: Iterable[Pair], value: Callable[[Pair], float]) -> float:
    """Median of a value over the pairs."""
    return median(value(one) for one in things)
