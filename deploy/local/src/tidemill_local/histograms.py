"""Two distributions of a column side by side, as the monitor gives them (`tidemill.v1.ColumnProfile` in JSON)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

MOST_BARS = 12
OTHER = "all others"


@dataclass(frozen=True)
class Bar:
    """The shares, 0 to 1, of one cell among all values of then and of now."""

    label: str
    then: float
    now: float


def bars(then: Mapping[str, Any], now: Mapping[str, Any], most: int = MOST_BARS) -> list[Bar]:
    """At most `most` bars and two more, one for missing values and one for infinite ones where there are any.

    Bins of a numeric column that are neighbours are joined, in the order of the axis; of a categorical column the
    categories whose shares are largest are kept, the others joined.
    """
    if "numeric" in then or "numeric" in now:
        cells = _numeric(then.get("numeric", {}), now.get("numeric", {}), most)
    else:
        cells = _categorical(then.get("categorical", {}), now.get("categorical", {}), most)
    missing = ("missing", _count(then, "missing"), _count(now, "missing"))
    counts = [*cells, *([missing] if missing[1] or missing[2] else [])]
    before, after = sum(cell[1] for cell in counts) or 1, sum(cell[2] for cell in counts) or 1
    return [Bar(label, old / before, new / after) for label, old, new in counts]


Cell = tuple[str, int, int]


def _numeric(then: Mapping[str, Any], now: Mapping[str, Any], most: int) -> list[Cell]:
    edges = [float(edge) for edge in then.get("edges") or now.get("edges") or []]
    bins = len(edges) + 1
    old, new = _counts(then, bins), _counts(now, bins)
    cuts = sorted({round(part * bins / most) for part in range(most + 1)} if bins > most else set(range(bins + 1)))
    return [
        (_interval(edges, first, last), sum(old[first:last]), sum(new[first:last])) for first, last in pairwise(cuts)
    ]


def _interval(edges: Sequence[float], first: int, last: int) -> str:
    low = edges[first - 1] if first else None
    high = edges[last - 1] if last <= len(edges) else None
    if low is None and high is None:
        return "any"
    if low is None:
        return f"≤ {high:.4g}"
    return f"> {low:.4g}" if high is None else f"{low:.4g} … {high:.4g}"


def _categorical(then: Mapping[str, Any], now: Mapping[str, Any], most: int) -> list[Cell]:
    old = {str(name): int(count) for name, count in then.get("counts", {}).items()}
    new = {str(name): int(count) for name, count in now.get("counts", {}).items()}
    before, after = sum(old.values()) or 1, sum(new.values()) or 1
    names = sorted(
        old.keys() | new.keys(), key=lambda name: (-max(_of(old, name) / before, _of(new, name) / after), name)
    )
    kept, joined = (names, []) if len(names) <= most else (names[: most - 1], names[most - 1 :])
    others = (
        sum(_of(old, name) for name in joined) + _count(then, "other"),
        sum(_of(new, name) for name in joined) + _count(now, "other"),
    )
    cells = [(name, _of(old, name), _of(new, name)) for name in kept]
    return [*cells, *([(OTHER, *others)] if any(others) else [])]


def _of(counts: Mapping[str, int], name: str) -> int:
    return counts.get(name, 0)


def _counts(column: Mapping[str, Any], bins: int) -> list[int]:
    counts = [int(count) for count in column.get("counts", [])]
    return counts if len(counts) == bins else [0] * bins


def _count(column: Mapping[str, Any], name: str) -> int:
    return int(column.get(name, 0))
