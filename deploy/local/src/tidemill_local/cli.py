"""The `tidemill` command."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tidemill_local.commands import delivery, demo, dlq, drift, models, monitor, quality, rollout, stack, topics
from tidemill_local.console import fail, report
from tidemill_local.errors import StackError
from tidemill_local.stack import Stack

app = typer.Typer(
    name="tidemill",
    help="Keep models fresh against streaming data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (stack, models, quality, demo):
    group.register(app)
app.add_typer(topics.app, name="topics")
app.add_typer(dlq.app, name="dlq")
app.add_typer(drift.app, name="drift")
app.add_typer(monitor.app, name="monitor")
app.add_typer(rollout.app, name="rollout")
app.add_typer(delivery.app, name="metrics")


@app.callback()
def common(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Folder of the stack.", envvar="TIDEMILL_HOME")] = None,
    port_offset: Annotated[int | None, typer.Option(help="Added to every port.", envvar="TIDEMILL_PORT_OFFSET")] = None,
) -> None:
    """Keep models fresh against streaming data."""
    if not context.resilient_parsing and "--help" not in sys.argv:
        context.obj = Stack(home, port_offset, progress=report)


def main() -> None:
    """Run the command line; a StackError is told with its cure and exit code 1."""
    try:
        app()
    except StackError as error:
        fail(error)
        sys.exit(1)
