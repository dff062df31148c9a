"""`tidemill topics`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from aiokafka import ConsumerRecord

from tidemill_local import topics
from tidemill_local.background import run
from tidemill_local.broker import SECONDS, consumer
from tidemill_local.commands.status import topics_table
from tidemill_local.console import out
from tidemill_local.errors import StackError
from tidemill_local.messages import as_json
from tidemill_local.offsets import end_offsets, partitions
from tidemill_local.stack import Stack

app = typer.Typer(help="Topics: list, tail, apply.", no_args_is_help=True)


@app.command(name="list")
def list_topics(context: typer.Context) -> None:
    """Show every topic with its end offsets."""
    stack: Stack = context.obj
    out.print(topics_table(run(end_offsets(stack.bootstrap))))


@app.command()
def tail(
    context: typer.Context,
    topic: str,
    last: Annotated[int, typer.Option("--lines", "-n", help="Messages per partition to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
) -> None:
    """Print messages, one JSON object a line."""
    stack: Stack = context.obj
    try:
        run(_tail(stack.bootstrap, topic, last, follow))
    except KeyboardInterrupt:
        return


@app.command()
def apply(
    bootstrap: Annotated[str, typer.Option(help="Brokers as host:port, comma separated.")],
    pipelines: Annotated[Path, typer.Option(help="Folder with pipeline files.")],
    replication: Annotated[int, typer.Option(help="Copies of each partition.", min=1)] = 1,
    file: Annotated[Path, typer.Option(help="The declaration.")] = topics.TOPICS,
) -> None:
    """Create the declared topics that are missing, on any cluster."""
    wanted = topics.declared(topics.sources(pipelines), file)
    out.print(f"{len(run(topics.apply(bootstrap, wanted, replication)))} topics created")


async def _tail(bootstrap: str, topic: str, last: int, follow: bool) -> None:
    places = await partitions(bootstrap, topic)
    if not places:
        raise StackError(f"There is no topic {topic}.", "See ./tidemill topics list")
    async with consumer(bootstrap) as client:
        client.assign(places)
        begins = await asyncio.wait_for(client.beginning_offsets(places), SECONDS)
        ends = await asyncio.wait_for(client.end_offsets(places), SECONDS)
        for place in places:
            client.seek(place, max(begins[place], ends[place] - last))
        while follow or any([await client.position(place) < ends[place] for place in places]):
            batches = await client.getmany(timeout_ms=200)
            for message in sorted((m for batch in batches.values() for m in batch), key=lambda m: m.timestamp):
                _print(message)


def _print(message: ConsumerRecord) -> None:
    kind = "tidemill.v1.DeadLetter" if message.topic.endswith(".dlq") else None
    line = {
        "partition": message.partition,
        "offset": message.offset,
        "key": message.key.decode(errors="replace") if message.key else None,
        "type": dict(message.headers).get("ce_type", b"").decode(errors="replace"),
        "data": as_json(message.value, message.headers, kind),
    }
    out.print(json.dumps(line, ensure_ascii=False), soft_wrap=True, markup=False)
