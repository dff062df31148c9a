"""The tables, and the targets."""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from benchmarks.releases.outcome import End
from benchmarks.releases.rules import planned_rows
from benchmarks.releases.simulation import OURS, THRESHOLDS, WAYS, Release
from benchmarks.releases.strategies import RELEASE
from benchmarks.releases.worlds import CANDIDATES, DELTA, WORLDS
from benchmarks.stats.tables import Row, Table

ENDS: tuple[End, ...] = ("promoted", "rolled back", "inconclusive")
MOST_EXPOSED = 0.5
ALL_WORSE = "all worse candidates"
Found = Sequence[Release]


def tables(found: Found) -> list[Table]:
    """Ends, users of worse candidates, and both by world."""
    ends = Table(
        "What became of the releases",
        ("candidate", "by", "releases", *ENDS),
        tuple(_ends(found)),
        f"Shares with 1.96 standard errors; δ = {DELTA}, alpha = {RELEASE.alpha}; all services together. "
        f"Fixed size: {planned_rows():,} labels of each version.",
    )
    exposed = Table(
        "Predictions answered by a worse candidate",
        ("candidate", "by", "until the end", "in its first week"),
        tuple(_exposed(found)),
        "Means of a release, and as a multiple of thresholds'. First week: until the end of the release, and if that "
        f"promotes the candidate, all predictions until a week after its start. Asked over {ALL_WORSE}.",
    )
    services = [world.name for world in WORLDS]
    by_service = Table(
        "In their first week, by service",
        ("candidate", "by", *services),
        tuple(_by_world(found, [(ALL_WORSE, _worse)], _exposed_text)),
        "Means of a release as above, and as a multiple of thresholds'.",
    )
    times = Table(
        "Promoted, and median time to the end, by service",
        ("candidate", "by", *services),
        tuple(_by_world(found, [(one.name, _of(one.name)) for one in CANDIDATES], _time_text)),
        "Event time.",
    )
    return [ends, exposed, by_service, times]


def _ends(found: Found) -> Iterator[Row]:
    for candidate in CANDIDATES:
        for way in WAYS:
            some = [one for one in found if one.candidate == candidate and one.way == way]
            shares = [fmean(one.outcome.end == end for one in some) for end in ENDS]
            cells = (candidate.name, way, f"{len(some):,}", *(_share_text(share, len(some)) for share in shares))
            if candidate.is_worse and way in OURS.values():
                yield Row(cells, f"promoted < {RELEASE.alpha}", shares[0] < RELEASE.alpha)
            else:
                yield Row(cells)


def _exposed(found: Found) -> Iterator[Row]:
    groups = [(one.name, _of(one.name)) for one in CANDIDATES if one.is_worse]
    for name, belongs in [*groups, (ALL_WORSE, _worse)]:
        there = [one for one in found if belongs(one)]
        for way in WAYS:
            cells = (name, way, _against(there, way, _until_end), _against(there, way, _in_week))
            if name == ALL_WORSE and way in OURS.values():
                ratio = _mean(there, way, _in_week) / _mean(there, THRESHOLDS, _in_week)
                yield Row(cells, f"first week ≤ {MOST_EXPOSED} x", ratio <= MOST_EXPOSED)
            else:
                yield Row(cells)


def _by_world(
    found: Found, groups: Sequence[tuple[str, Callable[[Release], bool]]], text: Callable[[Found, str], str]
) -> Iterator[Row]:
    for name, belongs in groups:
        there = [[one for one in found if belongs(one) and one.world == world] for world in WORLDS]
        for way in WAYS:
            yield Row((name, way, *(text(some, way) for some in there)))


def _worse(one: Release) -> bool:
    return one.candidate.is_worse


def _of(name: str) -> Callable[[Release], bool]:
    return lambda one: one.candidate.name == name


def _until_end(one: Release) -> float:
    return float(one.outcome.answered)


def _in_week(one: Release) -> float:
    return one.outcome.in_week(one.world)


def _mean(found: Found, way: str, users: Callable[[Release], float]) -> float:
    return fmean(users(one) for one in found if one.way == way)


def _against(found: Found, way: str, users: Callable[[Release], float]) -> str:
    mean = _mean(found, way, users)
    return f"{mean:,.0f}, {mean / _mean(found, THRESHOLDS, users):.2f} x"


def _exposed_text(found: Found, way: str) -> str:
    return _against(found, way, _in_week) if found else "-"


def _time_text(found: Found, way: str) -> str:
    some = [one for one in found if one.way == way]
    if not some:
        return "-"
    promoted = fmean(one.outcome.end == "promoted" for one in some)
    return f"{promoted:.0%}, {median(one.outcome.hours for one in some):,.1f} h"


def _share_text(share: float, of: int) -> str:
    return f"{share:.3f} ± {1.96 * math.sqrt(share * (1 - share) / of):.3f}"
