"""Is there no traffic, or a flood?"""

from math import log
from statistics import median

from tidemill_monitor.domain.context import Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.correction import threshold
from tidemill_monitor.domain.wording import duration

SPANS = 8


def traffic(context: Context) -> list[Exhibit]:
    """Answered rows of all versions in the last span of time, against the median of the eight spans before.

    A span is as long as a window may last, so that nights are compared with nights; effect: the absolute logarithm of
    the ratio. Nothing is said before nine spans have passed.
    """
    rule = context.watch.monitors.traffic
    assert rule is not None
    end, length = context.window.end, context.watch.window
    first = context.panes.first
    if first is None or end - (SPANS + 1) * length < first:
        return []
    counts = [context.panes.answered(end - (n + 1) * length, end - n * length) for n in range(SPANS + 1)]
    now, usual = counts[0], median(counts[1:])
    if not usual:
        return []
    effect = abs(log((now + 0.5) / (usual + 0.5)))
    unusual = effect >= rule.min_effect
    what = "" if not unusual else "a flood: " if now > usual else "little traffic: " if now else "silence: "
    text = f"{what}{now} predictions in {duration(length)} where {usual:g} are usual"
    return [threshold("predictions", "rate_of_traffic", float(now), unusual, effect, text)]
