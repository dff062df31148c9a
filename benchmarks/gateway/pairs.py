"""Loads in pairs: one to Triton itself, then the same through the gateway, so that both meet the same machine."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tidemill_local.waiting import wait_until

from benchmarks.gateway.bench import Bench
from benchmarks.gateway.loads import Load, Outcome

SETTLE_SECONDS = 1.0
"""What the gateway still does after the last answer, the log's flush before all, counts as its work."""
FLUSH_SECONDS = 60.0
LOGGED, UNLOGGED = "tidemill_gateway_log_rows_total", "tidemill_gateway_log_drops_total"
MIRRORED, UNMIRRORED = "tidemill_gateway_mirrored_total", "tidemill_gateway_mirror_drops_total"
COUNTED = (LOGGED, UNLOGGED, MIRRORED, UNMIRRORED)
WAITING = "tidemill_gateway_log_queue_rows"


@dataclass(frozen=True)
class Through:
    """A load through the gateway: its outcome, processor seconds a request, resident bytes after it, and by how much
    the gateway's own counters of log and mirrors grew."""

    outcome: Outcome
    cpu: float
    resident: int
    grown: Mapping[str, float]


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
    counted, before = _counters(bench), bench.usage()
    outcome = load.run(connections, seconds)
    time.sleep(SETTLE_SECONDS)
    wait_until(lambda: bench.counted(WAITING) == 0, FLUSH_SECONDS)
    after = bench.usage()
    grown = {name: value - counted[name] for name, value in _counters(bench).items()}
    return Through(outcome, (after.cpu - before.cpu) / outcome.requests, after.resident, grown)


def share(things: Sequence[Pair], *counters: str) -> float:
    """How often a counter grew for each request, over all the pairs."""
    grown = sum(one.through.grown[name] for one in things for name in counters)
    return grown / sum(one.through.outcome.requests for one in things)


def _counters(bench: Bench) -> dict[str, float]:
    return {name: bench.counted(name) for name in COUNTED}


def middle(things: Iterable[Pair], value: Callable[[Pair], float]) -> float:
    """Median of a value over the pairs."""
    return median(value(one) for one in things)
