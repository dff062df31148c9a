"""The gateway's memory over millions of requests with everything on."""

from collections.abc import Iterator, Sequence
from itertools import cycle

import numpy as np

from benchmarks.gateway.bench import PROTOCOLS, Bench
from benchmarks.gateway.options import Options
from benchmarks.gateway.overhead import EVERYTHING, MANY
from benchmarks.stats.tables import Row, Table

MOST_GROWTH = 0.05
SHOWN = 10
LEAST_SLICES = 20

Course = list[tuple[int, int]]
"""Requests so far and resident bytes then."""


def memory(bench: Bench, options: Options) -> Iterator[Table]:
    """One table: resident memory on the way, and its growth over the second half."""
    bench.serve(EVERYTHING, keyed=True)
    course = _course(bench, options)
    grown = growth(course)
    every = max(1, len(course) // SHOWN)
    rows = [Row((f"{requests:,}", f"{resident / 1e6:,.1f}")) for requests, resident in course[::every]]
    rows.append(Row(("growth over the second half", f"{grown:+.1%}"), f"≤ {MOST_GROWTH:.0%}", grown <= MOST_GROWTH))
    note = "REST and gRPC by turns, 32 connections, log, mirror and API key on; growth of the line through the points."
    yield Table("Memory", ("requests", "resident MB"), tuple(rows), note)


def growth(course: Sequence[tuple[int, int]]) -> float:
    """Growth over the second half of the requests, of the least-squares line through its points; at least 4 points."""
    last = course[-1][0]
    half = np.array([point for point in course if point[0] >= last / 2], dtype=np.float64)
    slope, start = np.polyfit(half[:, 0] - half[0, 0], half[:, 1], 1)
    return float(slope * (half[-1, 0] - half[0, 0]) / start)


def _course(bench: Bench, options: Options) -> Course:
    loads = cycle([bench.through(EVERYTHING, protocol) for protocol in PROTOCOLS])
    course: Course = []
    done = 0
    while done < options.requests or len(course) < LEAST_SLICES:
        done += next(loads).run(MANY, options.seconds).requests
        course.append((done, bench.usage().resident))
    return course
