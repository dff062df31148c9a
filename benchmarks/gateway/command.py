"""The command line."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from tidemill_local.errors import StackError

import benchmarks.gateway
from benchmarks.gateway import tools
from benchmarks.gateway.against_peers import peers
from benchmarks.gateway.bench import Bench
from benchmarks.gateway.idle import idle, raise_descriptors
from benchmarks.gateway.large import large
from benchmarks.gateway.loads import LoadFailed
from benchmarks.gateway.memory import memory
from benchmarks.gateway.mirror_hang import mirror_hang
from benchmarks.gateway.options import Options
from benchmarks.gateway.overhead import overhead
from benchmarks.stats.tables import Row, Table, markdown, show

WIDTH = 180

Section = Callable[[Bench, Options], Iterator[Table]]
SECTIONS: dict[str, Section] = {
    "overhead": overhead,
    "mirror-hang": mirror_hang,
    "large": large,
    "idle": idle,
    "memory": memory,
    "peers": peers,
}


def main(arguments: Sequence[str]) -> int:
    """Print the tables asked for; 1 when a target is missed or a load fails, else 0."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := set(asked.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    options = Options(asked.runs, asked.seconds, asked.requests, asked.idle, asked.hold)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    try:
        tables = _measured(asked.sections or list(SECTIONS), options, asked.port_offset, console)
    except StackError as error:
        console.print(f"{error} {error.cure}")
        return 1
    if asked.markdown:
        asked.markdown.write_text(markdown(tables))
    missed = sum(table.missed for table in tables)
    console.print(f"{missed} targets missed" if missed else "all targets met")
    return int(missed > 0)


def _measured(sections: Sequence[str], options: Options, port_offset: int, console: Console) -> list[Table]:
    tools.wrk(), tools.ghz()
    raise_descriptors(options.idle if "idle" in sections else 0)
    tables = []
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        bench = Bench(Path(folder), port_offset)
        try:
            bench.up()
            for name in sections:
                for table in _tables(name, bench, options):
                    show(table, console)
                    tables.append(table)
        finally:
            bench.down()
    return tables


def _tables(name: str, bench: Bench, options: Options) -> Iterator[Table]:
    """The tables of a section; a load that fails is a line that misses its target, and the other sections go on."""
    try:
        yield from SECTIONS[name](bench, options)
    except (LoadFailed, StackError, TimeoutError) as error:
        print(getattr(error, "log", ""), file=sys.stderr)
        yield Table(f"{name} could not be measured", ("cause",), (Row((str(error),), "measured", False),))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=benchmarks.gateway.__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"default: all of {', '.join(SECTIONS)}")
    parser.add_argument("--runs", type=int, default=Options.runs, help="loads for each figure, of which the median")
    parser.add_argument("--seconds", type=float, default=Options.seconds, help="length of a load")
    parser.add_argument("--requests", type=int, default=Options.requests, help="requests for the memory's course")
    parser.add_argument("--idle", type=int, default=Options.idle, help="idle connections")
    parser.add_argument("--hold", type=float, default=Options.hold, help="seconds that they are held")
    parser.add_argument("--port-offset", type=int, default=4000)
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    return parser
