"""`tidemill drift`."""

import getpass
import json
from typing import Annotated, Any

import typer

from tidemill_local import alarms, outcomes, registry
from tidemill_local.commands.explaining import alarms_table, explanation
from tidemill_local.console import err, out
from tidemill_local.errors import StackError
from tidemill_local.stack import Stack

app = typer.Typer(help="Alarms: list, explain, acknowledge, silence.", no_args_is_help=True)

Model = Annotated[str, typer.Option(help="Model; all if none is named.")]
AlarmId = Annotated[str, typer.Argument(help="Id of the alarm, its beginning, or `last`.")]
Reason = Annotated[str, typer.Option(help="Why, in your words.")]
By = Annotated[str, typer.Option(help="Who.", default_factory=getpass.getuser)]
Expires = Annotated[str, typer.Option(help="When it ends: 12h, 7d, or an RFC 3339 time; at most 30 days ahead.")]


@app.command(name="list")
def list_alarms(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Model; all if none is named.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Alarms, the newest ones.")] = 20,
) -> None:
    """Show the newest alarms."""
    stack: Stack = context.obj
    out.print(alarms_table(alarms.of_models(stack.http_url("monitor"), _models(stack, model), limit)))


@app.command()
def explain(context: typer.Context, alarm_id: AlarmId = alarms.LAST, model: Model = "") -> None:
    """Show what moved, then and now, since when, how surely, what was asked of whom, and what came of it."""
    stack: Stack = context.obj
    alarm = alarms.find(stack.http_url("monitor"), _models(stack, model), alarm_id)
    out.print(explanation(alarm, _outcomes(stack, alarm)))


@app.command()
def acknowledge(
    context: typer.Context, alarm_id: AlarmId, reason: Reason, by: By, expires: Expires = "7d", model: Model = ""
) -> None:
    """Take note of an alarm: its repetitions, with no other subjects, are not told of until it expires."""
    stack: Stack = context.obj
    url = stack.http_url("monitor")
    _print(alarms.acknowledge(url, alarms.find(url, _models(stack, model), alarm_id), by, reason, expires))


@app.command()
def silence(
    context: typer.Context,
    model: str,
    reason: Reason,
    by: By,
    expires: Expires,
    kind: Annotated[str, typer.Option(help="Kind of alarm, such as input or performance; any if none is named.")] = "",
    subject: Annotated[str, typer.Option(help="Feature or metric; any if none is named.")] = "",
) -> None:
    """Record a model's alarms and tell nobody, until it expires."""
    stack: Stack = context.obj
    wanted = {"by": by, "reason": reason, "expires": expires, "kind": kind, "subject": subject}
    _print(alarms.silence(stack.http_url("monitor"), model, {name: text for name, text in wanted.items() if text}))


@app.command()
def silences(context: typer.Context, model: str) -> None:
    """Show a model's silences and acknowledgements in force."""
    stack: Stack = context.obj
    _print(alarms.responses(stack.http_url("monitor"), model))


@app.command()
def unsilence(context: typer.Context, model: str, response_id: str) -> None:
    """End a silence or an acknowledgement before it expires."""
    stack: Stack = context.obj
    _print(alarms.take_back(stack.http_url("monitor"), model, response_id))


def _models(stack: Stack, model: str) -> list[str]:
    return [model] if model else registry.models(stack.http_url("registry"))


def _outcomes(stack: Stack, alarm: dict[str, Any]) -> list[str]:
    try:
        return outcomes.of_alarm(stack.http_url("trainer"), stack.http_url("registry"), alarm)
    except StackError as error:
        err.print(str(error))
        return ["unknown: the trainer or the registry does not answer"]


def _print(answer: Any) -> None:
    out.print_json(json.dumps(answer))
