"""The four metrics of delivery, read off the audit: how often, how fast, how safely, and how soon it is put right.

Source: Forsgren, Humble & Kim (2018), "Accelerate", chapter 2; known as the DORA metrics.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final

from tidemill_runtime.errors import InvalidInput

from tidemill_registry.domain.audit import Entry

DEPLOYMENT: Final = "promoted"
REACHES_TRAFFIC: Final = frozenset({"release_started", DEPLOYMENT})
FAILS: Final = frozenset({"release_rolled_back", "rolled_back"})


@dataclass(frozen=True)
class Delivery:
    """What was delivered in a period of `days`; a figure that nothing is known of is None.

    `deployments`: versions that became champion; `lead_time_seconds`: median from the first word of a version to that.
    `changes`: versions that first got traffic in the period; `failures`: those of them that were taken back, in the
    period or after it; `time_to_restore_seconds`: median of these from their first traffic to that.
    """

    deployments: int
    days: float
    per_day: float
    lead_time_seconds: float | None
    changes: int
    failures: int
    change_failure_rate: float | None
    time_to_restore_seconds: float | None


def delivery(entries: Sequence[Entry], since: datetime, until: datetime) -> Delivery:
    """The metrics of `since` <= time < `until`, both with a zone; InvalidInput if there is none.

    `entries`: the whole audit, in any order. A version released again is the same change.
    """
    if since >= until:
        raise InvalidInput("until must be later than since")
    known: dict[tuple[str, int], datetime] = {}
    reached: dict[tuple[str, int], datetime] = {}
    failed: dict[tuple[str, int], datetime] = {}
    lead_times = []
    for entry in sorted(entries, key=lambda entry: entry.sequence):
        change, at = (entry.model, entry.version), datetime.fromisoformat(entry.at)
        known.setdefault(change, at)
        if entry.action in REACHES_TRAFFIC:
            reached.setdefault(change, at)
        if entry.action in FAILS and change in reached:
            failed.setdefault(change, at)
        if entry.action == DEPLOYMENT and since <= at < until:
            lead_times.append(at - known[change])
    begun = {change: at for change, at in reached.items() if since <= at < until}
    restored = [failed[change] - at for change, at in begun.items() if change in failed]
    days = (until - since) / timedelta(days=1)
    return Delivery(
        deployments=len(lead_times),
        days=days,
        per_day=len(lead_times) / days,
        lead_time_seconds=_median_seconds(lead_times),
        changes=len(begun),
        failures=len(restored),
        change_failure_rate=len(restored) / len(begun) if begun else None,
        time_to_restore_seconds=_median_seconds(restored),
    )


def _median_seconds(times: Iterable[timedelta]) -> float | None:
    seconds = [time.total_seconds() for time in times]
    return median(seconds) if seconds else None
