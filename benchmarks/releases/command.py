"""The command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

import benchmarks.releases
from benchmarks.releases.results import tables
from benchmarks.releases.simulation import releases
from benchmarks.stats.tables import markdown, show

WIDTH = 180


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 1 when a target is missed, else 0."""
    asked = _parser().parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    found = tables(list(releases(asked.runs, asked.seed)))
    for table in found:
        show(table, console)
    if asked.markdown:
        asked.markdown.write_text(markdown(found))
    missed = sum(table.missed for table in found)
    console.print(f"{missed} targets missed" if missed else "all targets met")
    return int(missed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.releases", description=benchmarks.releases.__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="releases of each candidate by each strategy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    return parser
