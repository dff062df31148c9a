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
    shuffled: Annotated[
        bool, typer.Option("--shuffled", help="The control: the hours in a random order; there is no drift to find.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running, to look around.")] = False,
) -> None:
    """Replay a year of flights through the whole loop and report on it. Its data is apart from `tidemill up`'s."""
    from tidemill_local.demo import run as replay

    given: Stack = context.obj
    stack = Stack(Home.at(given.home.path / "demo"), given.port_offset, progress=report)
    try:
        size = replay.FULL if full else replay.QUICK
        replay.run(stack, replay.shuffled(size) if shuffled else size)
    finally:
        if keep:
            out.print(f"The stack runs on; look around with ./tidemill --home {stack.home.path} status", soft_wrap=True)
        else:
            stack.down()
