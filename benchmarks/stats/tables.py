"""Tables of figures, each beside its target."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table as RichTable

MET, MISSED = "pass", "FAIL"
WIDTH = 180


@dataclass(frozen=True)
class Row:
    """One line; `target` in words and whether it is `met`, None where nothing is asked."""

    cells: tuple[str, ...]
    target: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        return "" if self.met is None else MET if self.met else MISSED


@dataclass(frozen=True)
class Table:
    """Lines under `columns`; `note` says how they were measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def missed(self) -> int:
        """How many targets were missed."""
        return sum(row.met is False for row in self.rows)

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """Header and rows as text, with target and verdict where anything is asked."""
        if all(row.met is None for row in self.rows):
            return [self.columns, *(row.cells for row in self.rows)]
        body = [(*row.cells, row.target, row.verdict) for row in self.rows]
        return [(*self.columns, "target", ""), *body]


def show(table: Table, console: Console) -> None:
    """Print a table."""
    header, *body = table.lines
    drawn = RichTable(title=table.title, caption=table.note, title_justify="left", caption_justify="left")
    for number, name in enumerate(header):
        drawn.add_column(name, justify="right" if number else "left", overflow="fold")
    for line in body:
        drawn.add_row(*line, style="red" if line[-1] == MISSED else None)
    console.print(drawn)


def report(tables: Iterable[Table], to: Path | None) -> int:
    """Print tables as they come, and write them to a file if one is named; 1 when a target is missed, else 0."""
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    found = []
    for table in tables:
        show(table, console)
        found.append(table)
    if to:
        to.write_text(markdown(found))
    missed = sum(table.missed for table in found)
    console.print(f"{missed} targets missed" if missed else "all targets met")
    return int(missed > 0)


def markdown(tables: Iterable[Table]) -> str:
    """The tables as Markdown."""
    return "\n".join(_section(table) for table in tables)


def _section(table: Table) -> str:
    header, *body = table.lines
    rule = ("---", *["---:"] * (len(header) - 1))
    lines = [_line(line) for line in (header, rule, *body)]
    return "\n".join([f"### {table.title}", "", *lines, "", *([table.note, ""] if table.note else [])])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def mean_interval(counts: npt.ArrayLike) -> tuple[float, float]:
    """Mean of the runs' counts, shape [runs], and 1.96 standard errors of it: alarms within a run come in clusters."""
    values = np.asarray(counts, dtype=np.float64)
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return float(values.mean()), 1.96 * spread / float(np.sqrt(values.size))


def delay_text(delays: npt.ArrayLike, horizon: int) -> str:
    """Median and nine-tenths quantile of delays in rows, shape [runs]; infinite where nothing was seen."""
    middle, late = np.quantile(np.asarray(delays, dtype=np.float64), [0.5, 0.9], method="inverted_cdf")
    return f"{_rows(middle, horizon)} / {_rows(late, horizon)}"


def _rows(value: float, horizon: int) -> str:
    return f"{value:,.0f}" if value <= horizon else f"> {horizon:,}"
