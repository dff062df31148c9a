"""`tidemill up`, `down`, `status`, `logs`."""

import os
from typing import Annotated

import typer
from rich.text import Text

from tidemill_local.commands.status import show
from tidemill_local.console import err, out
from tidemill_local.errors import StackError
from tidemill_local.stack import Stack

Names = Annotated[list[str] | None, typer.Argument(help="Processes; all if none is named.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(logs)


def up(context: typer.Context, names: Names = None) -> None:
    """Start what is not running and wait until it is ready."""
    stack: Stack = context.obj
    stack.up(names or None)
    if not names:
        out.print(Text.assemble("The stack is up. Gateway: ", (stack.http_url("gateway"), "bold")))


def down(context: typer.Context, names: Names = None) -> None:
    """Stop everything; the data stays."""
    stack: Stack = context.obj
    stack.down(names or None)


def status(context: typer.Context) -> None:
    """Show processes, topics, consumer lag, model versions and routes."""
    show(context.obj)


def logs(
    context: typer.Context,
    names: Names = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Lines of each log.")] = 50,
) -> None:
    """Print the ends of the logs."""
    stack: Stack = context.obj
    unknown = set(names or ()) - set(stack.names)
    files = [str(file) for name in names or stack.names if (file := stack.home.log(name)).exists()]
    if unknown or not files:
        raise StackError("There is no such log.", f"There are logs of {', '.join(stack.names)} once they have started.")
    err.file.flush()
    os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), *files])  # noqa: S606
