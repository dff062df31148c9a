"""What `tidemill status` shows."""

from collections.abc import Callable, Iterable

from rich.table import Table

from tidemill_local import registry
from tidemill_local.background import run
from tidemill_local.console import err, megabytes, out
from tidemill_local.errors import StackError
from tidemill_local.offsets import Lag, end_offsets, lags
from tidemill_local.stack import Stack


def show(stack: Stack) -> None:
    """Print a table each of processes, topics, consumers and models; what is down is said, not an error."""
    out.print(processes_table(stack))
    if stack.is_running("kafka"):
        _unless_down(lambda: out.print(topics_table(run(end_offsets(stack.bootstrap)))))
        _unless_down(lambda: out.print(lag_table(run(lags(stack.bootstrap)))))
    if stack.is_running("registry"):
        _unless_down(lambda: out.print(models_table(stack.http_url("registry"))))


def processes_table(stack: Stack) -> Table:
    """Processes with pid, resident memory and state."""
    table = Table("process", "pid", "memory", "state", "address", title="Processes", title_justify="left")
    found = stack.processes.all()
    memory = stack.resident_memory()
    for name in stack.names:
        main = stack.processes.main(name) if name in found else None
        ready = main is not None and stack.part(name).is_ready()
        state = "[green]ready" if ready else "[yellow]not ready" if main else "[red]down"
        port = next(port for key, port in stack.ports.items() if key.split("-")[0] == name)
        size = megabytes(memory[name]) if name in memory else ""
        table.add_row(name, str(main.pid) if main else "", size, state, f"127.0.0.1:{port}")
    return table


def topics_table(ends: dict[str, list[int]]) -> Table:
    """Topics with the end offset of each partition; empty dead-letter topics are left out."""
    table = Table("topic", "messages", "end offsets", title="Topics", title_justify="left")
    for name, offsets in sorted(ends.items()):
        if sum(offsets) or not name.endswith(".dlq"):
            table.add_row(name, str(sum(offsets)), " ".join(map(str, offsets)))
    return table


def lag_table(rows: Iterable[Lag]) -> Table:
    """Consumer groups with how far each is behind."""
    table = Table("group", "topic", "lag", title="Consumers", title_justify="left")
    for row in rows:
        table.add_row(row.group, row.topic, str(row.messages))
    return table


def models_table(url: str) -> Table:
    """Model versions with their state, and the weights of the route that stands."""
    table = Table("model", "version", "state", "route", "why", title="Models", title_justify="left")
    for model in registry.models(url):
        weights = registry.route_weights(url, model)
        for version in registry.versions(url, model):
            number = int(version["version"])
            table.add_row(model, str(number), version["state"], weights.get(number, ""), version["reason"])
    return table


def _unless_down(action: Callable[[], None]) -> None:
    try:
        action()
    except StackError as error:
        err.print(str(error))
