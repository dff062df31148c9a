"""The demo's result: a table for the terminal, and an HTML report with plots."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table
from tidemill.v1.model_pb2 import ReleaseStrategy, RolloutChanged
from tidemill.v1.monitoring_pb2 import DriftDetected

from tidemill_local.commands.standing import is_open
from tidemill_local.commands.words import plain
from tidemill_local.demo.alarms import alarm_section
from tidemill_local.demo.clients import ClientStatistics
from tidemill_local.demo.scores import NEW_YORK
from tidemill_local.demo.watch import Mark

COLOURS = {
    "drift": "#d98e04",
    "trained": "#5aa9c9",
    "approved": "#4c9f50",
    "rejected": "#c0392b",
    "release": "#7d5ba6",
    "swapped": "#1b5e20",
}
LOOP_COLOUR, FROZEN_COLOUR = "#0b6e99", "#9aa5ab"


@dataclass(frozen=True)
class Result:
    """Everything the report tells."""

    title: str
    months: pl.DataFrame
    weeks: pl.DataFrame
    marks: Sequence[Mark]
    topics: Mapping[str, int]
    statistics: ClientStatistics
    memory: Mapping[str, int]
    setup_seconds: float
    replay_seconds: float
    trainings: int
    alarms: Sequence[DriftDetected]
    releases: Sequence[RolloutChanged]

    @property
    def swaps(self) -> int:
        return sum(mark.kind == "swapped" for mark in self.marks)

    @property
    def first_retraining(self) -> datetime | None:
        """When the second version began to serve, New York's time as the weeks are; None if none did."""
        swapped = [mark.at for mark in self.marks if mark.kind == "swapped"]
        return swapped[1].astimezone(ZoneInfo(NEW_YORK)).replace(tzinfo=None) if len(swapped) > 1 else None


def table(result: Result) -> Table:
    """By month: the frozen first model against the loop."""
    shown = Table(title=result.title, title_justify="left")
    for name in ("month", "flights", "AUC frozen", "AUC loop", "gain", "log loss frozen", "log loss loop"):
        shown.add_column(name, justify="right")
    for row in result.months.iter_rows(named=True):
        shown.add_row(*_cells(row))
    return shown


def latencies(statistics: ClientStatistics) -> list[tuple[str, int, float, float, float]]:
    """Per protocol: requests, and the median, 95th and 99th percentile in milliseconds."""
    rows = []
    for protocol, seconds in statistics.seconds.items():
        if seconds:
            p50, p95, p99 = (float(value) * 1000 for value in np.percentile(seconds, [50, 95, 99]))
            rows.append((protocol, len(seconds), p50, p95, p99))
    return rows


def write_html(result: Result, path: Path) -> None:
    """Save the report as one file without references to anything outside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = [
        f"<h1>{escape(result.title)}</h1>",
        f"<p>{escape(summary(result))}</p>",
        _picture(result),
        "<h2>By month</h2>",
        _html_table(
            ["month", "flights", "AUC frozen", "AUC loop", "gain", "log loss frozen", "log loss loop"],
            [_cells(row) for row in result.months.iter_rows(named=True)],
        ),
        "<h2>What happened</h2>",
        _html_table(["when", "what", ""], [(f"{m.at:%d %b %H:%M}", m.kind, m.text) for m in result.marks]),
        "<h2>Alarms</h2>",
        "".join(alarm_section(alarm) for alarm in result.alarms) or "<p>None.</p>",
        "<h2>Through the topics</h2>",
        _html_table(["topic", "messages"], [(name, f"{count:,}") for name, count in result.topics.items()]),
        "<h2>Client latencies</h2>",
        "<p>A request asks for all flights of one hour, through gateway and Triton, while everything else runs.</p>",
        _html_table(
            ["protocol", "requests", "p50 ms", "p95 ms", "p99 ms"],
            [
                (name, f"{n:,}", *(f"{value:.1f}" for value in values))
                for name, n, *values in latencies(result.statistics)
            ],
        ),
        "<h2>Resident memory</h2>",
        _html_table(["process", "MiB"], [(name, f"{size / 2**20:.0f}") for name, size in result.memory.items()]),
    ]
    path.write_text(
        f"<!doctype html><meta charset='utf-8'><title>Tidemill</title><style>{_STYLE}</style>{''.join(sections)}"
    )


def summary(result: Result) -> str:
    """The result in a few sentences."""
    later = result.months.filter(pl.col("period").dt.month() > 3)
    gain = float((later["loop_auc"] - later["frozen_auc"]).mean() or 0.0)  # type: ignore[arg-type]
    weeks = result.weeks.filter(pl.col("period") >= result.first_retraining) if result.first_retraining else None
    better = 0 if weeks is None else weeks.filter(pl.col("loop_log_loss") < pl.col("frozen_log_loss")).height
    return (
        f"{result.statistics.requests:,} requests for {int(result.months['flights'].sum()):,} flights, "
        f"{len(result.statistics.failures)} failed. {len(result.alarms)} alarms; the loop trained {result.trainings} "
        f"times, {released(result.releases)}, swapped the model {max(0, result.swaps - 1)} times without a calendar, "
        f"and from April on its AUC is "
        f"{gain:+.3f} against the frozen first model's, on average over the months. Its log loss is the lower one in "
        f"{better} of the {0 if weeks is None else weeks.height} whole weeks after the first retraining. "
        f"Set-up {result.setup_seconds:.0f} s, replay {result.replay_seconds:.0f} s."
    )


def released(releases: Sequence[RolloutChanged]) -> str:
    """How the later versions were let in, in one phrase."""
    begun = [one for one in releases if one.trigger == "start"]
    if not begun:
        return "released no later model by stages"
    ways = sorted({ReleaseStrategy.Name(one.strategy).removeprefix("RELEASE_STRATEGY_").lower() for one in begun})
    ends = Counter(plain(one.phase) for one in releases if not is_open(one.phase))
    told = ", ".join(f"{count} {phase}" for phase, count in sorted(ends.items())) or "none decided yet"
    return f"let {len(begun)} models in by {' and '.join(ways)} ({told})"


def _cells(row: Mapping[str, object]) -> tuple[str, ...]:
    values = {name: value for name, value in row.items() if isinstance(value, float)}
    gain = values["loop_auc"] - values["frozen_auc"]
    return (
        f"{row['period']:%B}",
        f"{row['flights']:,}",
        f"{values['frozen_auc']:.3f}",
        f"{values['loop_auc']:.3f}",
        f"{gain:+.3f}",
        f"{values['frozen_log_loss']:.3f}",
        f"{values['loop_log_loss']:.3f}",
    )


def _picture(result: Result) -> str:
    mpl.use("Agg")
    figure = Figure(figsize=(11, 7), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    _draw(upper, result, "auc", "AUC by week")
    _draw(lower, result, "log_loss", "log loss by week")
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="svg")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return f"<img alt='AUC and log loss by week, loop and frozen' src='data:image/svg+xml;base64,{encoded}'>"


def _draw(axes: Axes, result: Result, metric: str, title: str) -> None:
    weeks = result.weeks["period"].to_list()
    axes.plot(weeks, result.weeks[f"frozen_{metric}"].to_list(), color=FROZEN_COLOUR, label="frozen first model")
    axes.plot(weeks, result.weeks[f"loop_{metric}"].to_list(), color=LOOP_COLOUR, linewidth=2, label="the loop")
    drawn: set[str] = set()
    for mark in result.marks:
        at = mark.at.replace(tzinfo=None)
        if mark.kind in ("drift", "rejected", "swapped") and weeks and at >= weeks[0]:
            label = None if mark.kind in drawn else mark.kind
            axes.axvline(at, color=COLOURS[mark.kind], linestyle=":", linewidth=1, label=label)  # type: ignore[arg-type]
            drawn.add(mark.kind)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _html_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c2b33 }
img { width: 100% } table { border-collapse: collapse } h2 { margin-top: 2rem }
.bars { display: flex; gap: 2rem; flex-wrap: wrap } figure { margin: .5rem 0 } figcaption { font-size: 13px }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #e3e8ea;
  font-variant-numeric: tabular-nums }
"""
