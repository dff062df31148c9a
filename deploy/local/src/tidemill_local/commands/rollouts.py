"""How `tidemill rollout` shows many rollouts, and what was decided of a version."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tidemill_local.commands.evidence import VERDICTS
from tidemill_local.commands.standing import RUNNING, is_open, phase_of
from tidemill_local.commands.words import UNKNOWN, moment, percent, plain

Rollout = Mapping[str, Any]
Entry = Mapping[str, Any]


def open_and_newest(rollouts: Iterable[Rollout]) -> list[Rollout]:
    """Of each model those under way or waiting, else the newest; `rollouts` are the newest first."""
    by_model: dict[str, list[Rollout]] = {}
    for one in rollouts:
        by_model.setdefault(str(one["model"]), []).append(one)
    shown: list[Rollout] = []
    for _, some in sorted(by_model.items()):
        shown += [one for one in some if is_open(one["phase"])] or some[:1]
    return shown


def rollouts_table(rollouts: Iterable[Rollout]) -> Table:
    """A line for each rollout; what does not fit of its reason is cut off."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("model", "version", "strategy", "phase", "share", "verdict", "why"):
        table.add_column(name, no_wrap=name not in ("model", "why"), overflow="fold")
    for one in rollouts:
        table.add_row(
            Text(str(one["model"])),
            f"{one['version']} v. {one['champion']}",
            str(one["strategy"]),
            phase_of(one),
            percent(one["share"]),
            Text(str(one["verdict"]), style=VERDICTS.get(str(one["verdict"]), "")),
            Text(str(one["reason"]), no_wrap=True, overflow="ellipsis"),
        )
    return table


def history_list(entries: Sequence[Entry]) -> Group:
    """Two lines for each decision: when, who, what and where that led; then why."""
    rows = [(moment(one["at"], "%Y-%m-%d %H:%M:%S"), str(one["actor"]), plain(one["action"])) for one in entries]
    actors, actions = (max((len(row[place]) for row in rows), default=0) for place in (1, 2))
    found: list[Text | Padding] = []
    for (at, actor, action), one in zip(rows, entries, strict=True):
        head = Text.assemble((f"{at}  ", "dim"), f"{actor:<{actors}}  ", (f"{action:<{actions}}", "bold"))
        found += [head.append(f"  {_led_to(one['details'])}"), Padding(Text(str(one["reason"])), (0, 0, 0, 4))]
    return Group(*found)


def _led_to(details: Mapping[str, Any]) -> str:
    parts = []
    if "phase" in details:
        stage = f" stage {details['stage'] + 1}" if details["phase"] in RUNNING else ""
        parts.append(f"{plain(details['phase'])}{stage}")
    if "share" in details:
        parts.append(percent(details["share"]))
    if "epoch" in details:
        parts.append(f"epoch {details['epoch']}")
    return ", ".join(parts) or UNKNOWN
