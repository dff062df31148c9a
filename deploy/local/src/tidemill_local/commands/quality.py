"""`tidemill check`, `test`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from tidemill_local.checks import DATAPLANE, run_checks
from tidemill_local.console import err, out
from tidemill_local.home import ROOT

RUST_TESTS = ("cargo", "test", "--locked", "-q", "-p", "tidemill-dataplane-core")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(check)
    app.command(name="test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run_tests)


def check() -> None:
    """Run the static checks: types, lint, format, imports, contracts."""
    if not passes_checks():
        raise typer.Exit(1)


def run_tests(
    context: typer.Context,
    checks: Annotated[bool, typer.Option(help="Run the static checks first.")] = True,
) -> None:
    """Run the checks, then pytest with the arguments given; without any, all tests: those in Rust, the pure ones on
    every core, then those that share the embedded stack."""
    good = passes_checks() if checks else True
    if not context.args:
        good &= _passes(*RUST_TESTS, folder=DATAPLANE)
    for arguments in [context.args] if context.args else [["-m", "not stack", "-n", "auto"], ["-m", "stack"]]:
        good &= _passes(sys.executable, "-m", "pytest", *arguments)
    raise typer.Exit(0 if good else 1)


def _passes(*command: str, folder: Path = ROOT) -> bool:
    return subprocess.run(command, cwd=folder, check=False).returncode == 0


def passes_checks() -> bool:
    """Run the checks and print their table; the output of those that fail goes to stderr."""
    table = Table("check", "result", "seconds")
    good = True
    for result in run_checks():
        good = good and result.passed
        table.add_row(result.name, "[green]passed" if result.passed else "[red]failed", f"{result.seconds:.1f}")
        if not result.passed:
            err.rule(result.name)
            err.print(Text(result.output))
    out.print(table)
    return good
