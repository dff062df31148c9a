"""The gateway with everything on, in turn with other model servers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.gateway.bench import Bench
from benchmarks.gateway.loads import Load, Outcome
from benchmarks.gateway.options import Options
from benchmarks.gateway.overhead import EVERYTHING, MANY, ONE
from benchmarks.gateway.peer_servers import PEERS, Running, install, running
from benchmarks.stats.tables import Row, Table

Turn = tuple[Outcome, Outcome]
"""The gateway's outcome and the peer's, one after the other."""


def peers(bench: Bench, options: Options) -> Iterator[Table]:
    """One table: every peer and protocol beside the gateway; nothing is asked."""
    for peer in PEERS:
        install(peer)
    bench.serve(EVERYTHING, keyed=True)
    rows = []
    for peer in PEERS:
        with (
            tempfile.TemporaryDirectory(prefix="tidemill-peer-") as folder,
            running(peer, Path(folder) / "work") as found,
        ):
            rows += [_row(bench, found, protocol, options) for protocol in ("REST", "gRPC")[: 1 + peer.grpc]]
    one = ("p50 ms at 1", "gateway's")
    columns = ("server", "req/s", "p50 ms", "p99 ms", "gateway, req/s", "gateway, p99 ms", "gateway is", *one)
    note = (
        f"{MANY} connections, then one. The same ONNX model in each peer, one worker, its defaults; "
        "the gateway with Triton, log, mirror and API key."
    )
    yield Table("Other servers", columns, tuple(rows), note)


def _row(bench: Bench, found: Running, protocol: str, options: Options) -> Row:
    ours, theirs = bench.through(EVERYTHING, protocol), found.load(protocol)
    for load in (ours, theirs):
        load.run(MANY, min(1.0, options.seconds))
    many = [_turn(ours, theirs, MANY, options.seconds) for _ in range(options.runs)]
    alone = [_turn(ours, theirs, ONE, options.seconds) for _ in range(options.runs)]
    ratio = median(gateway.rate / peer.rate for gateway, peer in many)
    return Row(
        (
            f"{found.peer.title} {found.peer.version}, {protocol}",
            f"{median(peer.rate for _, peer in many):,.0f}",
            f"{median(peer.p50 for _, peer in many) * 1e3:.2f}",
            f"{median(peer.p99 for _, peer in many) * 1e3:.2f}",
            f"{median(gateway.rate for gateway, _ in many):,.0f}",
            f"{median(gateway.p99 for gateway, _ in many) * 1e3:.2f}",
            f"{ratio:.1f} x",
            f"{median(peer.p50 for _, peer in alone) * 1e3:.2f}",
            f"{median(gateway.p50 for gateway, _ in alone) * 1e3:.2f}",
        )
    )


def _turn(ours: Load, theirs: Load, connections: int, seconds: float) -> Turn:
    return ours.run(connections, seconds), theirs.run(connections, seconds)
