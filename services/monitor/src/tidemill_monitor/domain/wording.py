"""Evidence in words and numbers."""

from datetime import UTC, datetime, timedelta

from tidemill_contracts.durations import format_duration
from tidemill_stats.column import CategoricalProfile, ColumnProfile, NumericProfile
from tidemill_stats.decision import Alarm
from tidemill_stats.evidence import Evidence

SMALLEST_P = 1e-300
NOTABLE_SHARE = 0.001
CERTAIN = ("age", "rate_of_traffic", "constant")


def sentence(evidence: Evidence) -> str:
    """One piece of evidence on its own."""
    span = f" over the last {evidence.scale} windows" if evidence.scale > 1 else " in the last window"
    chance = f", {probability(evidence.p_value)}" if evidence.test not in CERTAIN else ""
    return f"{evidence.subject}: {evidence.explanation}{span}, effect {evidence.effect:.3g}{chance}"


def certain_reason(alarm: Alarm) -> str:
    """Why an alarm is raised that is no matter of chance."""
    first, others = alarm.evidence[0], len(alarm.evidence) - 1
    row = f"{alarm.windows} windows in a row" if alarm.windows > 1 else "one window"
    return f"{first.subject} in {row}: {first.explanation}" + (f"; and {others} more" if others else "")


def difference(then: ColumnProfile, now: ColumnProfile) -> str:
    """How a column differs from what it was."""
    if isinstance(then, NumericProfile) and isinstance(now, NumericProfile):
        return _numbers(then, now) + _missing(then, now)
    assert isinstance(then, CategoricalProfile)
    assert isinstance(now, CategoricalProfile)
    return _categories(then, now) + _missing(then, now)


def probability(p_value: float) -> str:
    return f"p = {p_value:.2g}" if p_value >= SMALLEST_P else "p < 1e-300"


def percent(count: float, of: float) -> str:
    """A share in percent, with as many digits as it takes to be seen."""
    share = count / of if of else 0.0
    return f"{share:.1%}" if share >= NOTABLE_SHARE or not share else f"{share:.2g}"


def duration(microseconds: int) -> str:
    """A length of time in the largest units that fit: `2d`, `26h`."""
    length = timedelta(microseconds=microseconds)
    for unit, least in ((timedelta(days=1), 2), (timedelta(hours=1), 2), (timedelta(minutes=1), 2)):
        if length >= least * unit:
            return format_duration(length // unit * unit)
    return format_duration(length)


def day(microseconds: int) -> str:
    """A time as `2013-05-03 14:00 UTC`."""
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


def _numbers(then: NumericProfile, now: NumericProfile) -> str:
    spread = then.moments.variance**0.5, now.moments.variance**0.5
    text = (
        f"mean {then.moments.mean:.4g} → {now.moments.mean:.4g}, standard deviation {spread[0]:.4g} → {spread[1]:.4g}"
    )
    beyond = now.moments.minimum < then.moments.minimum or now.moments.maximum > then.moments.maximum
    if now.present and then.present and beyond:
        text += (
            f", range {then.moments.minimum:.4g}..{then.moments.maximum:.4g} → "
            f"{now.moments.minimum:.4g}..{now.moments.maximum:.4g}"
        )
    return text


def _categories(then: CategoricalProfile, now: CategoricalProfile) -> str:
    before, after = _shares(then), _shares(now)
    most = max(before, key=lambda name: (abs(after.get(name, 0.0) - before[name]), name))
    return f"share of {most} {before[most]:.1%} → {after.get(most, 0.0):.1%}"


def _missing(then: ColumnProfile, now: ColumnProfile) -> str:
    before = then.missing / max(1, then.present + then.missing)
    after = now.missing / max(1, now.present + now.missing)
    return f", missing {before:.1%} → {after:.1%}" if abs(before - after) >= NOTABLE_SHARE else ""


def _shares(column: CategoricalProfile) -> dict[str, float]:
    present = max(1, column.present)
    shares = {
        repr(name): count / present for name, count in zip(column.categories, column.counts.tolist(), strict=True)
    }
    return {**shares, "values unknown in training": column.other / present}
