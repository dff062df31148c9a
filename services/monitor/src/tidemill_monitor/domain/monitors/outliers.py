"""Are there more rows unlike any training row?"""

from tidemill_stats.evidence import Evidence
from tidemill_stats.outliers import outlier_rate_test

from tidemill_monitor.domain.context import MIN_ROWS, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.correction import over_scales
from tidemill_monitor.domain.wording import percent


def outlier_rate(context: Context) -> list[Exhibit]:
    """The share of outliers against that among held-out training rows."""
    return over_scales(context, lambda scale: _test(context, scale))


def _test(context: Context, scale: int) -> list[Exhibit]:
    merged = context.merged(scale)
    known = context.reference.outliers if context.reference is not None else None
    rows = merged.total.inputs.rows if merged.total.inputs is not None else 0
    if known is None or rows < MIN_ROWS:
        return []
    effect = context.effects(scale).of("outliers")
    result = outlier_rate_test(merged.outliers, rows, known.outliers, known.rows, design_effect=effect)
    explanation = (
        f"{percent(merged.outliers, rows)} of {rows} rows, {percent(known.outliers, known.rows)} of the training rows"
    )
    evidence = Evidence("outliers", "rate", result.statistic, result.p_value, result.effect, scale, explanation)
    return [Exhibit(evidence, value=merged.outliers / rows)]
