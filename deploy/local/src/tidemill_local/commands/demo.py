"""`tidemill demo`."""

from typing import Annotated

import typer

from tidemill_local.console import out, report
from tidemill_local.home import Home
from tidemill_local.stack import Stack


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(demo)


def demo(
    context: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Every flight of the year; the default is one in five until mid-June.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running, to look around.")] = False,
) -> None:
    """Replay a year of flights through the whole loop and report on it. Its data is apart from `tidemill up`'s."""
    from tidemill_local.demo.run import FULL, QUICK, run

    given: Stack = context.obj
    stack = Stack(Home.at(given.home.path / "demo"), given.port_offset, progress=report)
    try:
        run(stack, FULL if full else QUICK)
    finally:
        if keep:
            out.print(f"The stack runs on; look around with ./tidemill --home {stack.home.path} status", soft_wrap=True)
        else:
            stack.down()
