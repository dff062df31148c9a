"""Is the version worse than it promised, on predictions whose truth is known?"""

from tidemill_stats.evidence import Evidence
from tidemill_stats.performance import MeanEstimate

from tidemill_monitor.domain.context import BEFORE, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.merged import Merged
from tidemill_monitor.domain.monitors.correction import over_scales
from tidemill_monitor.domain.monitors.loss import overdispersion, rise
from tidemill_monitor.domain.monitors.promise import promise

SETTLED = 4


def performance_drift(context: Context) -> list[Exhibit]:
    """The loss of the last windows against that of the test rows; of a slice, against its windows before.

    Windows count as they were known when the last of them became mature, so that a replay judges alike; of slices
    that is not known, so they count as they are known now.
    """
    return over_scales(context, lambda scale: _test(context, scale))


def known_losses(context: Context, metric: str, first: int, last: int) -> list[MeanEstimate]:
    """Sums of a metric in the windows number `first` to before `last`, of the labels known by `context.known_at`."""
    return [_known(context, one, metric) for one in context.each(max(0, first), last)]


def _test(context: Context, scale: int) -> list[Exhibit]:
    metric, count = context.watch.loss, len(context.windows)
    now = known_losses(context, metric, count - scale, count)
    before = known_losses(context, metric, count - scale - BEFORE, count - scale)
    then = sum(before, MeanEstimate()) if context.slice else promise(context.version, metric)
    if then is None:
        return []
    settled = known_losses(context, metric, count - BEFORE, count - SETTLED)
    effect = max(context.effects(scale).of(f"loss:{metric}"), overdispersion(settled))
    result = rise(now, then, effect)
    if result is None:
        return []
    rows = sum(one.count for one in now)
    of = "in the windows before" if context.slice else "promised"
    text = f"{result.mean:.4f} where {result.promised:.4f} was {of}, over {rows} labelled predictions"
    evidence = Evidence(metric, "z_test", result.statistic, result.p_value, result.share, scale, text)
    return [Exhibit(evidence, value=result.mean)]


def _known(context: Context, merged: Merged, metric: str) -> MeanEstimate:
    if context.slice or not merged.labels:
        return merged.part(context.slice).metrics.get(metric, MeanEstimate())
    return merged.labelled_by(context.known_at).get(metric, MeanEstimate())
