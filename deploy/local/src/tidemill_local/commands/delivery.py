"""`tidemill metrics`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tidemill_local import registry
from tidemill_local.commands.words import UNKNOWN, percent, span
from tidemill_local.console import out
from tidemill_local.stack import Stack

app = typer.Typer(help="Metrics of the work itself.", no_args_is_help=True)


@app.callback()
def metrics() -> None:
    """Metrics of the work itself."""


@app.command()
def delivery(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How far back.")] = 30,
    model: Annotated[str, typer.Option(help="Model; all if none is named.")] = "",
) -> None:
    """Show how often and how fast versions are delivered, how many fail, and how soon that is put right."""
    stack: Stack = context.obj
    out.print(delivery_table(registry.delivery(stack.http_url("registry"), days, model), model))


def delivery_table(delivery: Mapping[str, Any], model: str) -> Table:
    """The four metrics of delivery, each with what it means."""
    title = f"Delivery of {model or 'all models'}, the last {delivery['days']:g} days"
    table = Table("metric", "figure", "is", title=Text(title), title_justify="left")
    often = f"{delivery['deployments']}, {delivery['per_day']:.2g} a day"
    table.add_row("deployments", often, "versions that took all the traffic")
    lead_time = span(delivery["lead_time_seconds"])
    table.add_row("lead time", lead_time, "median from the first word of a version to all the traffic")
    table.add_row("change failure rate", _failures(delivery), "versions taken back, of those that got traffic")
    restored = span(delivery["time_to_restore_seconds"])
    table.add_row("time to restore", restored, "median from their first traffic until they were taken back")
    return table


def _failures(delivery: Mapping[str, Any]) -> str:
    if delivery["change_failure_rate"] is None:
        return UNKNOWN
    return f"{percent(delivery['change_failure_rate'])} ({delivery['failures']} of {delivery['changes']})"
