"""Latency while a mirror takes its copies and never answers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from benchmarks.gateway.bench import PROTOCOLS, Bench, Served
from benchmarks.gateway.loads import Load, Outcome
from benchmarks.gateway.options import Options
from benchmarks.gateway.pairs import MIRRORED, SETTLE_SECONDS, UNMIRRORED
from benchmarks.stats.tables import Row, Table

CONNECTIONS = 32
MOST_RATIO = 1.1
PLAIN = Served("logged")
WATCHED = Served("watched", mirror=0.1)


@dataclass(frozen=True)
class Hanging:
    """A load without any mirror and one with a mirror that hangs; copies the mirror answered and copies dropped."""

    without: Outcome
    hanging: Outcome
    answered: float
    dropped: float

    @property
    def ratio(self) -> float:
        return self.hanging.p99 / self.without.p99


def mirror_hang(bench: Bench, options: Options) -> Iterator[Table]:
    """One table: 99th percentiles with a hanging mirror beside those without a mirror."""
    bench.let_hang(WATCHED.mirroring)
    bench.serve(PLAIN, WATCHED)
    rows = []
    for protocol in PROTOCOLS:
        plain, watched = bench.through(PLAIN, protocol), bench.through(WATCHED, protocol)
        for load in (plain, watched):
            load.run(CONNECTIONS, min(1.0, options.seconds))
        found = [_hang(bench, plain, watched, options.seconds) for _ in range(options.runs)]
        ratio, answered = median(one.ratio for one in found), sum(one.answered for one in found)
        cells = (
            protocol,
            f"{median(one.without.p99 for one in found) * 1e3:.3f}",
            f"{median(one.hanging.p99 for one in found) * 1e3:.3f}",
            f"{answered:,.0f}",
            f"{sum(one.dropped for one in found):,.0f}",
            f"{ratio:.2f}",
        )
        rows.append(Row(cells, f"≤ {MOST_RATIO}", ratio <= MOST_RATIO and answered == 0))
    columns = ("protocol", "p99 ms, no mirror", "p99 ms, hanging", "mirror's answers", "copies dropped", "ratio")
    note = f"A mirror of 10 % that sleeps in Triton, {CONNECTIONS} connections, full log."
    yield Table("A hanging mirror", columns, tuple(rows), note)


def _hang(bench: Bench, plain: Load, watched: Load, seconds: float) -> Hanging:
    without = plain.run(CONNECTIONS, seconds)
    with bench.hanging(WATCHED.mirroring):
        answered, dropped = bench.counted(MIRRORED), bench.counted(UNMIRRORED)
        hanging = watched.run(CONNECTIONS, seconds)
        answers, drops = bench.counted(MIRRORED) - answered, bench.counted(UNMIRRORED) - dropped
    time.sleep(SETTLE_SECONDS)  # for the copies that were held, so that the next load meets none of them
    return Hanging(without, hanging, answers, drops)
