"""`tidemill rollout`."""

from typing import Annotated

import typer

from tidemill_local import registry
from tidemill_local.commands.models import Actor, Reason
from tidemill_local.commands.rollouts import history_list, open_and_newest, rollouts_table
from tidemill_local.commands.standing import standing
from tidemill_local.console import out
from tidemill_local.errors import StackError
from tidemill_local.stack import Stack

app = typer.Typer(help="Releases by stages: how far, why, and by hand.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="Model.")]


@app.command()
def status(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Model; those of all if none is named.")] = "",
) -> None:
    """Show how far a model's rollout is, and what is known; without a model, those open and the newest of each."""
    stack: Stack = context.obj
    url = stack.http_url("registry")
    if model:
        out.print(standing(registry.rollout(url, model), out.width))
    elif rollouts := open_and_newest(registry.rollouts(url)):
        out.print(rollouts_table(rollouts))
    else:
        out.print("No version was released by stages yet.")


@app.command()
def history(
    context: typer.Context,
    model: Model,
    version: Annotated[int | None, typer.Option(help="Version; that of the newest rollout if none is named.")] = None,
) -> None:
    """Show every decision of a version, and why."""
    stack: Stack = context.obj
    url = stack.http_url("registry")
    out.print(history_list(registry.history(url, model, _newest(url, model) if version is None else version)))


@app.command()
def hold(context: typer.Context, model: Model, reason: Reason, actor: Actor) -> None:
    """Let a rollout go on by hand alone; a candidate that is surely worse is rolled back all the same."""
    _move(context, model, "hold", actor, reason)


@app.command()
def resume(context: typer.Context, model: Model, reason: Reason, actor: Actor) -> None:
    """Let a rollout that is held go on by itself."""
    _move(context, model, "resume", actor, reason)


@app.command()
def promote(context: typer.Context, model: Model, reason: Reason, actor: Actor) -> None:
    """Give the candidate all the traffic."""
    _move(context, model, "promote", actor, reason)


@app.command()
def abort(context: typer.Context, model: Model, reason: Reason, actor: Actor) -> None:
    """Withdraw the candidate."""
    _move(context, model, "abort", actor, reason)


def _move(context: typer.Context, model: str, trigger: registry.ByHand, actor: str, reason: str) -> None:
    stack: Stack = context.obj
    out.print(standing(registry.move(stack.http_url("registry"), model, trigger, actor, reason), out.width))


def _newest(url: str, model: str) -> int:
    rollouts = registry.rollouts(url, model, limit=1)
    if not rollouts:
        raise StackError(f"No version of {model} was released by stages.", "Name a version: --version N")
    return int(rollouts[0]["version"])
