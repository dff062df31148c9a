"""Has the distribution of the answers moved?"""

from tidemill_monitor.domain.context import MIN_ROWS, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.columns import compare
from tidemill_monitor.domain.monitors.correction import over_scales

OUTPUT = "output:"


def prediction_drift(context: Context) -> list[Exhibit]:
    """Each output against the answers on the test rows; of a slice, against its answers in the windows before."""
    return over_scales(context, lambda scale: _test(context, scale))


def _test(context: Context, scale: int) -> list[Exhibit]:
    now = context.part(scale).outputs
    if context.slice:
        then = context.before(scale).outputs
    else:
        then = context.reference.outputs if context.reference is not None else None
    if now is None or then is None or min(now.rows, then.rows) < MIN_ROWS:
        return []
    effects = context.effects(scale)
    return compare(then, now, scale, lambda column: effects.of(OUTPUT + column))
