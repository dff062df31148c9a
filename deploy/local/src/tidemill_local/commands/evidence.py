"""How `tidemill rollout status` shows what is known by metric."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from tidemill_local.axes import EFFECT, LOWER, TOLERATED, UPPER, ZERO, Interval, axis, over_time, sparkline
from tidemill_local.commands.words import UNKNOWN, count, figure, percent, span

SPARKS = 32
VERDICTS = {"better": "green", "equivalent": "cyan", "worse": "bold red", "undecided": "yellow"}
HEADS = ("metric", "champion", "candidate", "effect", "bounds", "verdict")
SUBHEADS = ("", "rows", "rows", "tolerated", "confidence", "")
LEGEND = (
    f"{LOWER} lower bound  {EFFECT} effect, candidate less champion  {UPPER} upper bound",
    f"{ZERO} no difference  {TOLERATED} tolerated loss or gain",
    "width: of the bounds, over event time; a step lower is half as wide",
)


def evidence_table(rollout: Mapping[str, Any], width: int) -> Group:
    """A block for each metric: its figures, its interval on an axis of `width` cells, and how the bounds narrowed."""
    lines = [_line(HEADS, "bold"), _line(SUBHEADS, "dim")]
    for one in rollout["evidence"]:
        lines += [*_figures(one), _drawn(one, width), _narrowed(one, rollout["course"]), Text()]
    return Group(*lines, *(Text(line, style="dim") for line in LEGEND))


def _figures(one: Mapping[str, Any]) -> list[Text]:
    interval = _interval(one)
    first = _line(
        (
            str(one["metric"]),
            figure(one["champion"]),
            figure(one["candidate"]),
            figure(interval.effect, "+.3g"),
            _bounds(interval),
        )
    )
    first.append(str(one["verdict"]), style=VERDICTS.get(str(one["verdict"]), ""))
    rows = [count(one[f"{arm}_rows"]) for arm in ("champion", "candidate")]
    kind = "guardrail" if one["guardrail"] else "success"
    return [first, _line((kind, *rows, f"±{one['delta']:.3g}", percent(one["confidence"], 4)), "dim")]


def _drawn(one: Mapping[str, Any], width: int) -> Text:
    left, right = ("better", "worse") if one["better"] == "lower" else ("worse ", "better")
    line = Text(f"  {left} ", style="dim")
    line.append(axis(_interval(one), one["delta"], width - 17), style=VERDICTS.get(str(one["verdict"]), ""))
    return line.append(f" {right}", style="dim")


def _narrowed(one: Mapping[str, Any], course: Sequence[Mapping[str, Any]]) -> Text:
    """How wide the bounds were over event time, from the first known to the last."""
    looks = [(int(look["at"]), _at(look, one["metric"]).span) for look in course]
    known = [(at, wide) for at, wide in looks if wide is not None]
    if not known:
        return Text(f"  width  {UNKNOWN}", style="dim")
    (begun, first), (ended, last) = known[0], known[-1]
    drawn = sparkline(over_time(looks, min(SPARKS, len(looks))), max(wide for _, wide in known))
    if len(known) == 1:
        return Text(f"  width  {drawn}  {last:.3g}", style="dim")
    told = f"{first:.3g} → {last:.3g} in {span((ended - begun) / 1e6)}"
    return Text(f"  width  {drawn}  {told}", style="dim")


def _interval(one: Mapping[str, Any]) -> Interval:
    """The effect is unknown while either arm has no rows, though the test begins at 0."""
    is_seen = one["champion_rows"] and one["candidate_rows"]
    return Interval(one["effect"] if is_seen else None, one["lower"], one["upper"])


def _bounds(interval: Interval) -> str:
    if interval.lower is None and interval.upper is None:
        return UNKNOWN
    return f"{figure(interval.lower, '+.3g')} … {figure(interval.upper, '+.3g')}"


def _at(look: Mapping[str, Any], metric: str) -> Interval:
    return Interval(*(look["metrics"].get(metric) or (None, None, None)))


def _line(cells: Sequence[str], style: str = "") -> Text:
    """A line of the table: the name, figures to the right, the verdict; 80 cells."""
    form = ("{:<14}", " {:>10}", " {:>10}", " {:>9}", " {:>21}  ", "{}")
    return Text("".join(one.format(cell) for one, cell in zip(form, cells, strict=False)), style=style)
