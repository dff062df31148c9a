"""Tensors of 1 MB there and back, in binary form."""

from collections.abc import Iterator

from benchmarks.gateway.bench import PROTOCOLS, Bench, Served
from benchmarks.gateway.networks import echo
from benchmarks.gateway.options import Options
from benchmarks.gateway.pairs import middle, pair
from benchmarks.stats.tables import Row, Table

CONNECTIONS = 8
LEAST_RATIO = 0.8
ECHO = Served("echo", echo, sample=0.0, binary=True)


def large(bench: Bench, options: Options) -> Iterator[Table]:
    """One table: rates of both protocols beside Triton alone."""
    bench.serve(ECHO)
    rows = []
    for protocol in PROTOCOLS:
        direct, through = bench.direct(ECHO, protocol), bench.through(ECHO, protocol)
        for load in (direct, through):
            load.run(CONNECTIONS, min(1.0, options.seconds))
        pairs = [pair(bench, direct, through, CONNECTIONS, options.seconds) for _ in range(options.runs)]
        ratio = middle(pairs, lambda one: one.ratio)
        cells = (
            protocol,
            f"{middle(pairs, lambda one: one.direct.rate):,.0f}",
            f"{middle(pairs, lambda one: one.through.outcome.rate):,.0f}",
            f"{middle(pairs, lambda one: one.through.cpu) * 1e6:,.0f}",
            f"{ratio:.2f}",
        )
        rows.append(Row(cells, f"≥ {LEAST_RATIO}", ratio >= LEAST_RATIO))
    columns = ("protocol", "Triton alone, req/s", "gateway, req/s", "CPU µs a request", "of Triton")
    note = f"FP32 [1, 262144] in and out, {CONNECTIONS} connections, log off."
    yield Table("Tensors of 1 MB", columns, tuple(rows), note)
