"""Thousands of idle connections, and a request beside them."""

import json
import os
import resource
import selectors
import socket
import time
import urllib.request
from collections.abc import Iterator

from benchmarks.gateway import bodies
from benchmarks.gateway.bench import Bench, Served
from benchmarks.gateway.networks import logistic
from benchmarks.gateway.options import Options
from benchmarks.stats.tables import Row, Table

HOST = "127.0.0.1"
SPARE = 2000
SECONDS = 30
QUIET = Served("quiet", sample=0.0)
HELLO = {
    "gateway": b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "gateway-grpc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
}
"""What a connection says once: a request, or HTTP/2's preface with empty settings (RFC 9113, 3.4)."""


def raise_descriptors(connections: int) -> None:
    """Let this process and those it starts hold so many connections each; root may go beyond the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + SPARE
    if soft >= needed:
        return
    if hard < needed and os.geteuid() != 0:
        raise PermissionError(f"{connections} connections need {needed} open files; the limit is {hard}: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))


def idle(bench: Bench, options: Options) -> Iterator[Table]:
    """One table: how many connections are still open after a while, and what a request beside them takes."""
    bench.serve(QUIET)
    rows = []
    for listener, protocol in (("gateway", "REST"), ("gateway-grpc", "gRPC")):
        before = bench.usage().resident
        held = _opened(bench.stack.ports[listener], HELLO[listener], options.idle)
        try:
            time.sleep(options.hold)
            resident = bench.usage().resident
            began = time.perf_counter()
            _ask(bench)
            took = time.perf_counter() - began
            still = sum(map(_is_open, held))
        finally:
            for one in held:
                one.close()
        each = (resident - before) / max(1, len(held))
        cells = (protocol, f"{still:,}", f"{each / 1e3:.1f}", f"{took * 1e3:.2f}")
        rows.append(Row(cells, f"{options.idle:,}", still == options.idle))
    columns = ("protocol", "held", "kB each", "a request, ms")
    note = f"Each connection is answered once and then idle for {options.hold:g} s; then a request on a new one."
    yield Table("Idle connections", columns, tuple(rows), note)


def _opened(port: int, hello: bytes, count: int) -> list[socket.socket]:
    """Connections that the server has answered; fewer than `count` if it refuses or closes some."""
    held = []
    for _ in range(count):
        try:
            held.append(_greeted(port, hello))
        except OSError:
            break
    return held


def _greeted(port: int, hello: bytes) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=SECONDS)
    try:
        connection.sendall(hello)
        if not connection.recv(4096):
            raise ConnectionResetError("closed without an answer")
    except OSError:
        connection.close()
        raise
    return connection


def _is_open(connection: socket.socket) -> bool:
    """Whether the other side has not closed it; what it still sent is read away."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        try:
            while selector.select(0):
                if not connection.recv(4096):
                    return False
        except OSError:
            return False
    return True


def _ask(bench: Bench) -> None:
    body = bodies.json_body(logistic().rows[:1])
    url = f"{bench.stack.http_url('gateway')}/v2/models/{QUIET.model}/infer"
    with urllib.request.urlopen(urllib.request.Request(url, body, bodies.JSON), timeout=SECONDS) as response:
        json.load(response)
