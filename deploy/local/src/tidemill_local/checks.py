"""The static checks of the repository, each a command."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tidemill_local.home import ROOT

DATAPLANE = ROOT / "services/gateway/dataplane"
PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Check:
    """A command that exits with 0 if all is well."""

    name: str
    command: tuple[str, ...]
    folder: Path = ROOT


@dataclass(frozen=True)
class Result:
    """What came of a check."""

    name: str
    passed: bool
    seconds: float
    output: str


CHECKS = (
    Check("types", ("mypy", "libs", "services", "deploy/local", "examples")),
    Check("lint", ("ruff", "check", "-q", ".")),
    Check("format", ("ruff", "format", "-q", "--check", ".")),
    Check("imports", ("lint-imports", "--no-cache")),
    Check("contracts", ("buf", "lint"), ROOT / "proto"),
    Check("compatibility", ("buf", "breaking", "--against", "baseline.json"), ROOT / "proto"),
    Check("Rust format", ("cargo", "fmt", "--all", "--check"), DATAPLANE),
    Check(
        "Rust lint",
        ("cargo", "clippy", "--locked", "-q", "--workspace", "--all-targets", "--", "-D", "warnings"),
        DATAPLANE,
    ),
    Check("generated code", (sys.executable, "-m", "tidemill_local.generated", "--check")),
)


def run_checks(checks: tuple[Check, ...] = CHECKS) -> Iterator[Result]:
    """Run `checks`, one per core at a time; yields each result as it comes."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for future in as_completed([pool.submit(run_check, check) for check in checks]):
            yield future.result()


def run_check(check: Check) -> Result:
    """Run one check to its end."""
    begun = time.monotonic()
    path = f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        done = subprocess.run(
            check.command,
            cwd=check.folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        return Result(check.name, False, time.monotonic() - begun, str(error))
    return Result(check.name, done.returncode == 0, time.monotonic() - begun, done.stdout)
