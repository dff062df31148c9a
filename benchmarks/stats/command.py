"""The command line."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import benchmarks.stats
from benchmarks.stats.delays import delays
from benchmarks.stats.false_alarms import false_alarms
from benchmarks.stats.power import power
from benchmarks.stats.release import release
from benchmarks.stats.speed import speed
from benchmarks.stats.tables import Table, report

Section = Callable[[int, int], Iterator[Table]]
SECTIONS: dict[str, Section] = {
    "false-alarms": false_alarms,
    "delays": delays,
    "release": release,
    "power": power,
    "speed": speed,
}


def main(arguments: Sequence[str]) -> int:
    """Print the tables asked for; 1 when a target is missed, else 0."""
    asked = _parser().parse_args(arguments)
    names = SECTIONS if asked.section == "all" else [asked.section]
    return report((table for name in names for table in SECTIONS[name](asked.runs, asked.seed)), asked.markdown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stats", description=benchmarks.stats.__doc__)
    parser.add_argument("section", nargs="?", default="all", choices=["all", *SECTIONS])
    parser.add_argument("--runs", type=int, default=200, help="simulated streams for each figure")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    return parser
