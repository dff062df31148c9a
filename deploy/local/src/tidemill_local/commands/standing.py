"""How `tidemill rollout status` shows one rollout."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tidemill_local.commands.evidence import VERDICTS, evidence_table
from tidemill_local.commands.explaining import bar
from tidemill_local.commands.words import UNKNOWN, figure, latency, moment, percent, plain

Rollout = Mapping[str, Any]
RUNNING = frozenset({"shadow", "canary", "ab", "bandit"})
PHASES = {"pending": "dim", "promoted": "green", "rolled_back": "bold red", "inconclusive": "yellow"}
ARROW = " → "
DONE, PRESENT, TO_COME, ENDED = "✓", "●", "○", "✗"
MARKS = {DONE: "green", PRESENT: "bold cyan", TO_COME: "dim", ENDED: "bold red"}
WIDEST = 120
AROUND_FACTS = 14


def standing(rollout: Rollout, width: int) -> RenderableType:
    """All there is to say of a rollout: how far it is, who gets the traffic, what is known by metric, what is awaited
    and why it stands where it does. `width`: cells of a line, 80 at least."""
    width = min(width, WIDEST)
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(no_wrap=True)
    for name, fact in _facts(rollout, width - AROUND_FACTS):
        facts.add_row(name, fact)
    title = Text(f"{rollout['model']}: version {rollout['version']} against champion {rollout['champion']}")
    head = Panel(facts, title=title, title_align="left", width=width)
    return Group(head, evidence_table(rollout, width))


def is_open(phase: str) -> bool:
    """Whether a rollout in this phase is under way or waits."""
    return phase == "pending" or phase in RUNNING


def phase_of(rollout: Rollout) -> Text:
    """The phase with its stage, such as `canary 2 of 3`, and whether it is held."""
    phase, stages = str(rollout["phase"]), len(rollout["stages"])
    stage = f" {rollout['stage'] + 1} of {stages}" if phase in RUNNING else ""
    text = Text(plain(phase) + stage, style=PHASES.get(phase, "bold cyan"))
    return text.append(", held", style="bold yellow") if rollout["held"] else text


def stages_row(rollout: Rollout, width: int) -> Text:
    """The stages in a row, those done, the present one and those to come, with their shares; it breaks after arrows."""
    named = [(_mark(rollout, place), _stage(rollout, place)) for place in range(len(rollout["stages"]))]
    named.append((DONE if rollout["phase"] == "promoted" else TO_COME, "champion 100%"))
    row, used = Text(), 0
    for mark, name in named:
        needed = len(f"{mark} {name}{ARROW}")
        if row:
            row.append(ARROW, style="dim")
        if used + needed > width:
            row.append("\n")
            used = 0
        row.append(f"{mark} {name}", style=MARKS[mark])
        used += needed
    return row


def _facts(rollout: Rollout, width: int) -> Iterator[tuple[str, RenderableType]]:
    phase = str(rollout["phase"])
    yield "phase", phase_of(rollout).append(f"; last moved {moment(rollout['changed_at'])}", style="not bold default")
    yield "why", Text(str(rollout["reason"]))
    yield "strategy", Text(f"{rollout['strategy']}, for the risk is {rollout['risk']}: {rollout['risk_reason']}")
    yield "stages", stages_row(rollout, width)
    if phase in RUNNING:
        yield "traffic", _traffic(rollout)
    for number, phrase in enumerate(_awaited(rollout)):
        yield "" if number else "awaits", Text(phrase)
    verdict = str(rollout["verdict"])
    yield "verdict", Text(verdict, style=VERDICTS.get(verdict, ""))
    yield "seen", Text(_seen(rollout))
    yield from ((name, Text(fact)) for name, fact in _comparison(rollout))


def _mark(rollout: Rollout, place: int) -> str:
    if place != rollout["stage"]:
        return DONE if place < rollout["stage"] else TO_COME
    return PRESENT if rollout["phase"] in RUNNING else DONE if rollout["phase"] == "promoted" else ENDED


def _stage(rollout: Rollout, place: int) -> str:
    stage = rollout["stages"][place]
    is_present = place == rollout["stage"] and rollout["phase"] in RUNNING
    share = rollout["share"] if is_present else stage["share"]
    return f"{stage['phase']} {percent(stage['fraction'] or share)}"


def _traffic(rollout: Rollout) -> Table:
    share, fraction = float(rollout["share"]), float(rollout["fraction"])
    rows = [(f"champion {rollout['champion']}", 1 - share, "blue"), (f"version {rollout['version']}", share, "magenta")]
    if fraction:
        rows.append((f"copied to {rollout['version']}", fraction, "dim"))
    table = Table.grid(padding=(0, 1, 0, 0))
    for name, part, style in rows:
        table.add_row(name, Text(bar(part), style=style), percent(part))
    return table


def _awaited(rollout: Rollout) -> list[str]:
    """Nothing once it has ended."""
    phase, awaited = str(rollout["phase"]), [str(phrase) for phrase in rollout["awaits"]]
    if rollout["held"] and is_open(rollout["phase"]):
        return [*awaited, "a person, for it is held"]
    if phase == "pending":
        return ["its turn, or the end of a freeze"]
    return awaited or (["the next evidence, or the end of a freeze"] if phase in RUNNING else [])


def _seen(rollout: Rollout) -> str:
    heard = moment(rollout["heard_at"]) if rollout.get("heard_at") else UNKNOWN
    counts = f"{rollout['predictions']:,} predictions of the candidate, {rollout['labelled']:,} labelled"
    return f"{counts}; evidence last heard {heard}"


def _comparison(rollout: Rollout) -> Iterator[tuple[str, str]]:
    known = rollout["comparison"]
    yield "units", _units(rollout, known["units"]["champion"], known["units"]["candidate"])
    agreed = f"{percent(known['agreement'], 4)} agree of {known['pairs']:,} pairs" if known["pairs"] else UNKNOWN
    distance = "" if known["distance"] is None else f"; mean distance {figure(known['distance'], '.3g')}"
    yield "answers", agreed + distance
    seconds = known["seconds"]
    champion, candidate = latency(seconds["champion"]), latency(seconds["candidate"])
    yield "latency", f"{champion} of the champion, {candidate} of the candidate, on average"


def _units(rollout: Rollout, champion: int, candidate: int) -> str:
    total = champion + candidate
    if not total:
        return UNKNOWN
    asked = f", {percent(rollout['share'])} asked" if rollout["phase"] in RUNNING else ""
    return f"{percent(candidate / total)} the candidate's ({candidate:,} of {total:,} sampled){asked}"
