"""`tidemill demo`."""

from typing import Annotated

import typer

from tidemill_local.stack import Stack


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(demo)


def demo(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="The whole year.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 2013,
) -> None:
    """Replay a year of flights through the whole loop and report on it."""
    from tidemill_flights import demo as flights

    stack: Stack = context.obj
    stack.up()
    flights.run(stack, full=full, seed=seed)
