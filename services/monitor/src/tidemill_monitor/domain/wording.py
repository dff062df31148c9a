"""Evidence in words and numbers."""

from datetime import timedelta

from tidemill_contracts.durations import format_duration
from tidemill_stats import CategoricalProfile, ColumnProfile, Evidence, NumericProfile

from tidemill_monitor.domain.watched import MICROSECOND, Watch

SMALLEST_P = 1e-300


def input_sentence(watch: Watch, evidence: Evidence, then: ColumnProfile, now: ColumnProfile) -> str:
    """How an input differs from training."""
    return (
        f"{evidence.subject}: {_difference(then, now)}; distance {evidence.effect:.3f}, "
        f"{_p(evidence.p_value)}, over the last {_span(watch)}"
    )


def performance_sentence(watch: Watch, evidence: Evidence, expected: float, mean: float, rows: int) -> str:
    """How performance differs from the test rows."""
    return (
        f"{evidence.subject}: {mean:.4f} where {expected:.4f} was promised, {evidence.effect:.4f} worse, "
        f"{_p(evidence.p_value)}, over {rows} labelled predictions of the last {_span(watch)}"
    )


def reason(watch: Watch, what: str, windows: int, count: int, strongest: str) -> str:
    """Why an alarm is raised."""
    others = f" and {count - 1} more" if count > 1 else ""
    length = format_duration(watch.window * MICROSECOND)
    run = f"{windows} windows of {length} in a row" if windows > 1 else f"a window of {length}"
    return f"{what} in {run}: {strongest}{others}"


def _span(watch: Watch) -> str:
    span: timedelta = watch.horizon * watch.window * MICROSECOND
    return format_duration(span)


def _p(p_value: float) -> str:
    return f"p = {p_value:.2g}" if p_value >= SMALLEST_P else "p < 1e-300"


def _difference(then: ColumnProfile, now: ColumnProfile) -> str:
    missing = _share(then.missing, then.present + then.missing), _share(now.missing, now.present + now.missing)
    gap = f", missing {missing[0]:.1%} → {missing[1]:.1%}" if abs(missing[0] - missing[1]) >= 0.001 else ""
    if isinstance(then, NumericProfile) and isinstance(now, NumericProfile):
        spread = then.moments.variance**0.5, now.moments.variance**0.5
        return (
            f"mean {then.moments.mean:.4g} → {now.moments.mean:.4g}, "
            f"standard deviation {spread[0]:.4g} → {spread[1]:.4g}{gap}"
        )
    assert isinstance(then, CategoricalProfile)
    assert isinstance(now, CategoricalProfile)
    before, after = _shares(then), _shares(now)
    most = max(before, key=lambda name: abs(after[name] - before[name]))
    return f"share of {most} {before[most]:.1%} → {after[most]:.1%}{gap}"


def _shares(column: CategoricalProfile) -> dict[str, float]:
    shares = {
        repr(name): _share(int(count), column.present)
        for name, count in zip(column.categories, column.counts, strict=True)
    }
    return {**shares, "values unknown in training": _share(column.other, column.present)}


def _share(count: int, of: int) -> float:
    return count / of if of else 0.0
