"""How `tidemill drift` shows alarms."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tidemill_local.histograms import Bar, bars

WIDTH = 24
COLOURS = {"CRITICAL": "bold red", "WARNING": "yellow", "INFO": "cyan"}
ASKED = {
    "RETRAIN": "the trainer was asked to retrain",
    "TELL_DATA_SCIENTIST": "the data scientist was told",
    "TELL_DATA_ENGINEER": "the data engineer was told",
}
EIGHTHS = "▏▎▍▌▋▊▉█"


def alarms_table(alarms: Iterable[dict[str, Any]]) -> Table:
    """A line for each alarm."""
    table = Table("alarm", "model", "version", "kind", "severity", "since", "until", "subjects", "asked", "told")
    for alarm in alarms:
        severity = _word(alarm, "severity", "SEVERITY")
        subjects = [str(one.get("subject", "")) for one in alarm.get("evidence", [])]
        cells = (
            str(alarm["id"])[:8],
            alarm["model"],
            alarm.get("version", ""),
            _lower(_word(alarm, "kind", "DRIFT_KIND")) + _where(alarm),
            Text(_lower(severity), style=COLOURS.get(severity, "")),
            _time(alarm.get("since")),
            _time(alarm.get("until")),
            ", ".join(subjects[:3]) + (f" and {len(subjects) - 3} more" if len(subjects) > 3 else ""),
            _lower(_word(alarm, "action", "DRIFT_ACTION")),
            _told(alarm),
        )
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in cells))
    return table


def explanation(alarm: dict[str, Any], outcomes: list[str]) -> RenderableType:
    """All there is to say of one alarm: what moved, drawn then and now, since when, how surely, and what came of it."""
    severity = _word(alarm, "severity", "SEVERITY")
    title = (
        f"{alarm['model']} v{alarm.get('version', '?')}: {_lower(_word(alarm, 'kind', 'DRIFT_KIND'))}{_where(alarm)}"
    )
    head = Text.assemble((f"{severity.lower()}  ", COLOURS.get(severity, "")), str(alarm.get("reason", "")))
    facts = Table.grid(padding=(0, 2))
    for name, fact in _facts(alarm, outcomes):
        facts.add_row(name, Text(fact))
    shown = [_evidence(one) for one in alarm.get("evidence", [])]
    return Group(Panel(Group(head, Text(), facts), title=Text(title), title_align="left"), *shown)


def _facts(alarm: dict[str, Any], outcomes: list[str]) -> list[tuple[str, str]]:
    return [
        ("alarm", str(alarm["id"])),
        ("since", f"{_time(alarm.get('since'))} until {_time(alarm.get('until'))}{_windows(alarm)}"),
        ("asked", _asked(alarm)),
        ("told", _told(alarm)),
        *(("" if number else "since then", outcome) for number, outcome in enumerate(outcomes or ["nothing yet"])),
    ]


def _evidence(one: dict[str, Any]) -> RenderableType:
    p_value = float(one.get("p_value", 0.0))
    sure = "p < 1e-300" if p_value < 1e-300 else f"p = {p_value:.2g}"
    title = Text.assemble((str(one.get("subject", "")), "bold"), f"  {one.get('test', '')}, effect ")
    title.append(f"{float(one.get('effect', 0.0)):.3g}, {sure}")
    lines: list[RenderableType] = [Text(), title, Text(str(one.get("explanation", "")), style="dim")]
    if "then" in one and "now" in one:
        lines.append(_drawn(bars(one["then"], one["now"])))
    return Group(*lines)


def _drawn(cells: list[Bar]) -> Table:
    highest = max((max(cell.then, cell.now) for cell in cells), default=0.0) or 1.0
    table = Table("", "then", "", "now", "", box=None, padding=(0, 1))
    for cell in cells:
        moved = "bold" if abs(cell.now - cell.then) >= 0.05 else ""
        table.add_row(
            Text(cell.label, style=moved),
            Text(bar(cell.then / highest), style="blue"),
            f"{cell.then:6.1%}",
            Text(bar(cell.now / highest), style="magenta"),
            Text(f"{cell.now:6.1%}", style=moved),
        )
    return table


def bar(share: float, width: int = WIDTH) -> str:
    """A bar for a share from 0 to 1, to an eighth of a cell; anything above 0 is seen, and it is padded to `width`."""
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    whole, rest = divmod(min(eighths, width * 8), 8)
    return ("█" * whole + (EIGHTHS[rest - 1] if rest else "")).ljust(width)


def _asked(alarm: dict[str, Any]) -> str:
    if alarm.get("muted_by"):
        return "nothing, for it is muted"
    return ASKED.get(_word(alarm, "action", "DRIFT_ACTION"), "nothing")


def _told(alarm: dict[str, Any]) -> str:
    if muted := alarm.get("muted_by"):
        return f"muted by {muted}"
    return "yes" if alarm.get("published", True) else "no"


def _where(alarm: dict[str, Any]) -> str:
    return f" in {alarm['slice']}" if alarm.get("slice") else ""


def _windows(alarm: dict[str, Any]) -> str:
    windows = int(alarm.get("windows", 0))
    return f", {windows} windows in a row" if windows > 1 else ""


def _word(alarm: dict[str, Any], field: str, prefix: str) -> str:
    return str(alarm.get(field, "")).removeprefix(f"{prefix}_")


def _lower(word: str) -> str:
    return word.lower().replace("_", " ")


def _time(text: object) -> str:
    return str(text or "").replace("T", " ").removesuffix("Z").removesuffix(":00")
