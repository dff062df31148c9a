"""The command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import benchmarks.releases
from benchmarks.releases.results import tables
from benchmarks.releases.simulation import releases
from benchmarks.stats.tables import report


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 1 when a target is missed, else 0."""
    asked = _parser().parse_args(arguments)
    return report(tables(list(releases(asked.runs, asked.seed))), asked.markdown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.releases", description=benchmarks.releases.__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="releases of each candidate by each strategy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    return parser
