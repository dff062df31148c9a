"""`tidemill dlq`."""

import typer
from rich.table import Table

from tidemill_local.background import run
from tidemill_local.console import out
from tidemill_local.letters import letters, replay
from tidemill_local.offsets import end_offsets
from tidemill_local.stack import Stack

app = typer.Typer(help="Messages that could not be processed: list, replay.", no_args_is_help=True)


@app.command(name="list")
def list_letters(context: typer.Context, topic: str = typer.Argument("", help="Topic; all if none is named.")) -> None:
    """Show the dead letters with their causes."""
    stack: Stack = context.obj
    ends = run(end_offsets(stack.bootstrap))
    full = [name.removesuffix(".dlq") for name, offsets in ends.items() if name.endswith(".dlq") and any(offsets)]
    table = Table("topic", "letter", "came from", "group", "attempts", "given up", "replayed", "cause")
    for name in [topic.removesuffix(".dlq")] if topic else full:
        for letter in run(letters(stack.bootstrap, name)):
            content = letter.content
            table.add_row(
                name,
                str(letter.offset),
                f"{content.partition}:{content.offset}",
                content.consumer_group,
                str(content.attempts),
                content.failed_at.ToDatetime().isoformat(timespec="seconds") + "Z",
                "yes" if letter.replayed else "",
                content.cause,
            )
    out.print(table)


@app.command(name="replay")
def replay_letters(context: typer.Context, topic: str) -> None:
    """Send a topic's dead letters to it again, each once."""
    stack: Stack = context.obj
    name = topic.removesuffix(".dlq")
    out.print(f"{run(replay(stack.bootstrap, name))} messages sent to {name} again")
