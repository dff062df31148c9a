"""Do inputs break the schema?"""

from tidemill_stats.evidence import Evidence

from tidemill_monitor.domain.context import MIN_ROWS, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.exact import binomial_tail
from tidemill_monitor.domain.wording import percent

WAYS = 6


def schema_skew(context: Context) -> list[Exhibit]:
    """The share of rows that break the schema, by `<column>: <how>`, against the share that is put up with.

    Only the last window: a broken column is broken at once. Corrected for every column and way to be broken.
    """
    rule = context.watch.monitors.schema_skew
    assert rule is not None
    merged = context.merged(1)
    rows = merged.total.answered
    if rows < MIN_ROWS:
        return []
    ways = WAYS * len(context.reference.inputs.columns) if context.reference and context.reference.inputs else WAYS
    return [
        _exhibit(context, subject, min(count, rows), rows, rule.min_effect, max(ways, len(merged.schema_violations)))
        for subject, count in sorted(merged.schema_violations.items())
    ] or [Exhibit(Evidence("schema", "binomial", 0.0, 1.0, 0.0, 1, f"no violation in {rows} rows"))]


def _exhibit(context: Context, subject: str, count: int, rows: int, allowed: float, times: int) -> Exhibit:
    p_value = min(1.0, times * binomial_tail(count, rows, allowed))
    explanation = f"in {count} of {rows} rows ({percent(count, rows)})"
    column = subject.rpartition(": ")[0]
    inputs, reference = context.merged(1).total.inputs, context.reference
    then = reference.inputs.columns.get(column) if reference is not None and reference.inputs is not None else None
    now = inputs.columns.get(column) if inputs is not None else None
    return Exhibit(Evidence(subject, "binomial", float(count), p_value, count / rows, 1, explanation), then, now)
