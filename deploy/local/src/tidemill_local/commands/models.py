"""`tidemill train`, `approve`, `reject`, `rollback`, `predict`."""

import asyncio
import getpass
import json
from typing import Annotated, Any
from urllib.parse import quote

import typer
from tidemill.v1.training_pb2 import TRAINING_CAUSE_HAND, TrainingRequested
from tidemill_contracts import topics

from tidemill_local import registry
from tidemill_local.background import run
from tidemill_local.broker import SECONDS, producer
from tidemill_local.console import out
from tidemill_local.errors import StackError
from tidemill_local.http import call
from tidemill_local.stack import Stack

Reason = Annotated[str, typer.Option(help="Why, in your words; it goes into the audit.")]
Actor = Annotated[str, typer.Option(help="Who decides.", default_factory=getpass.getuser)]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(train)
    app.command()(approve)
    app.command()(reject)
    app.command()(rollback)
    app.command()(predict)


def train(
    context: typer.Context, pipeline: str, actor: Actor, reason: Reason = "asked for on the command line"
) -> None:
    """Ask for a training of a pipeline."""
    stack: Stack = context.obj
    run(_request_training(stack.bootstrap, pipeline, actor, reason))
    out.print(f"Asked for a training of {pipeline}.")


def approve(context: typer.Context, model: str, version: int, reason: Reason, actor: Actor) -> None:
    """Approve a version that waits for a person."""
    stack: Stack = context.obj
    _print(registry.decide(stack.http_url("registry"), model, version, "approve", actor, reason))


def reject(context: typer.Context, model: str, version: int, reason: Reason, actor: Actor) -> None:
    """Reject a version that waits for a person."""
    stack: Stack = context.obj
    _print(registry.decide(stack.http_url("registry"), model, version, "reject", actor, reason))


def rollback(context: typer.Context, model: str, reason: Reason, actor: Actor) -> None:
    """Give a model's traffic back to the version before."""
    stack: Stack = context.obj
    _print(registry.rollback(stack.http_url("registry"), model, actor, reason))


def predict(
    context: typer.Context,
    model: str,
    fields: Annotated[list[str], typer.Argument(help="One JSON object, or field=value pairs.")],
) -> None:
    """Ask the gateway for a prediction."""
    stack: Stack = context.obj
    url = f"{stack.http_url('gateway')}/v1/models/{quote(model)}:predict"
    _print(call("POST", url, {"instances": [instance(fields)]}))


def instance(fields: list[str]) -> dict[str, Any]:
    """The named fields of `{"a": 1}` or `a=1 b=text`; values that are not JSON are text. Raises StackError."""
    if len(fields) == 1 and fields[0].lstrip().startswith("{"):
        try:
            return dict(json.loads(fields[0]))
        except ValueError as error:
            raise StackError(f"Not a JSON object: {error}") from error
    pairs = [field.split("=", 1) for field in fields]
    if wrong := [pair[0] for pair in pairs if len(pair) != 2]:
        raise StackError(f"{wrong[0]!r} is not of the form field=value.")
    return {name: _value(text) for name, text in pairs}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _print(answer: Any) -> None:
    out.print_json(json.dumps(answer))


async def _request_training(bootstrap: str, pipeline: str, actor: str, reason: str) -> None:
    from tidemill_runtime.events import headers_of, new_event

    data = TrainingRequested(pipeline=pipeline, cause=TRAINING_CAUSE_HAND, requested_by=actor, reason=reason)
    event = new_event("cli", pipeline, data)
    async with producer(bootstrap) as client:
        sent = client.send_and_wait(
            topics.TRAINING_REQUESTED, key=pipeline.encode(), value=data.SerializeToString(), headers=headers_of(event)
        )
        await asyncio.wait_for(sent, SECONDS)
