"""Do the answers themselves say that performance falls, before labels come?"""

from tidemill_stats.evidence import Evidence
from tidemill_stats.performance import MeanEstimate

from tidemill_monitor.domain.context import BEFORE, Context
from tidemill_monitor.domain.estimates import estimated_rise
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.correction import over_scales
from tidemill_monitor.domain.monitors.loss import Rise, rise
from tidemill_monitor.domain.monitors.promise import promise

SCORES = "output:probability_1"


def estimated_performance(context: Context) -> list[Exhibit]:
    """The loss that the answers lead one to expect: of two classes by the calibration on the test rows, of more by the
    answers' own probabilities, against the windows before, because these may not be calibrated.
    """
    if context.watch.classes is None:
        return []
    return over_scales(context, lambda scale: _test(context, scale))


def _test(context: Context, scale: int) -> list[Exhibit]:
    metric = context.watch.loss
    result = _by_scores(context, metric, scale) or _by_probabilities(context, metric, scale)
    if result is None:
        return []
    text = f"{result.mean:.4f} is expected of the answers where {result.promised:.4f} was promised"
    evidence = Evidence(metric, "estimated", result.statistic, result.p_value, result.share, scale, text)
    return [Exhibit(evidence, value=result.mean)]


def _by_scores(context: Context, metric: str, scale: int) -> Rise | None:
    promised = promise(context.version, metric)
    if context.reference is None or promised is None or context.watch.classes != 2:
        return None
    effect = context.effects(scale).of(SCORES)
    return estimated_rise(context.reference, context.part(scale), metric, promised.mean, effect)


def _by_probabilities(context: Context, metric: str, scale: int) -> Rise | None:
    if context.watch.classes == 2:
        return None
    count = len(context.windows)
    now, before = (
        [one.total.expected.get(metric, MeanEstimate()) for one in context.each(max(0, first), last)]
        for first, last in ((count - scale, count), (count - scale - BEFORE, count - scale))
    )
    return rise(now, sum(before, MeanEstimate()), context.effects(scale).of(f"loss:{metric}"))
