"""What the command prints: results on stdout, progress and failures on stderr."""

import sys
import time

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from tidemill_local.errors import StackError

PIPE_WIDTH = 160
out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPE_WIDTH)
STYLES = {"ready": "green", "stopped": "green", "starting": "cyan", "stopping": "cyan"}
BEGUN = time.monotonic()


def report(subject: str, state: str) -> None:
    """One line of progress, with the seconds since the command began."""
    line = Text(f"{time.monotonic() - BEGUN:6.1f} s  ", style="dim")
    line.append(f"{subject:<10}", style="bold")
    line.append(state, style=STYLES.get(state, ""))
    err.print(line)


def fail(error: StackError) -> None:
    """Say what went wrong, what the log says, and what to do."""
    if error.log:
        err.print(Panel(Text(error.log), title="end of the log", border_style="dim"))
    err.print(Text(str(error), style="bold red"), soft_wrap=True)
    if error.cure:
        err.print(Text(error.cure), soft_wrap=True)


def megabytes(size: int) -> str:
    """Bytes as whole MiB."""
    return f"{size / 2**20:.0f} MiB"
