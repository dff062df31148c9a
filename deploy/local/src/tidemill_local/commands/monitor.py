"""`tidemill monitor`."""

import subprocess
import sys

import typer

from tidemill_local.stack import Stack

app = typer.Typer(help="The monitor: rebuild what it knows.", no_args_is_help=True)


@app.callback()
def monitor() -> None:
    """The monitor."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def rebuild(context: typer.Context) -> None:
    """Compute panes again from the topics, and compare; options go to `python -m tidemill_monitor.rebuild`."""
    stack: Stack = context.obj
    command = [sys.executable, "-m", "tidemill_monitor.rebuild", *context.args]
    done = subprocess.run(command, env=stack.environment("monitor"), check=False)
    raise typer.Exit(done.returncode)
