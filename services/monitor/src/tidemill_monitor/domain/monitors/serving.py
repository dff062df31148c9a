"""Does the version answer in time, without failing, and with numbers?"""

from tidemill_stats.column import CategoricalProfile, ColumnProfile
from tidemill_stats.evidence import Evidence

from tidemill_monitor.domain.context import MIN_ROWS, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.merged import Merged
from tidemill_monitor.domain.monitors.correction import threshold
from tidemill_monitor.domain.monitors.exact import binomial_tail
from tidemill_monitor.domain.wording import percent

FIRST_BUCKET_SECONDS = 1e-4
BUCKETS_PER_DOUBLING = 2


def slow_answers(merged: Merged, objective: float) -> tuple[int, int]:
    """How many answers took longer than `objective` seconds, of how many; as far as the buckets tell.

    The bucket in which the objective lies counts as in time.
    """
    slow = sum(
        count
        for index, count in enumerate(merged.latency_buckets)
        if index and FIRST_BUCKET_SECONDS * 2 ** ((index - 1) / BUCKETS_PER_DOUBLING) >= objective
    )
    return slow, sum(merged.latency_buckets)


def serving(context: Context) -> list[Exhibit]:
    """The shares of slow answers and of failed predictions against what is allowed, by exact binomial tests."""
    rule = context.watch.monitors.serving
    assert rule is not None
    merged = context.merged(1)
    slow, timed = slow_answers(merged, rule.latency)
    errors, predictions = merged.total.errors, merged.total.predictions
    found = []
    if timed >= MIN_ROWS:
        text = f"{percent(slow, timed)} of {timed} answers took longer than {rule.latency:g} s"
        found.append(_share("latency", slow, timed, rule.slow_share, text))
    if predictions >= MIN_ROWS:
        text = f"{percent(errors, predictions)} of {predictions} predictions failed"
        found.append(_share("errors", errors, predictions, rule.error_share, text))
    return found


def numerical_health(context: Context) -> list[Exhibit]:
    """Answers that are no finite number, and answers that are always the same where they were not on the test rows."""
    rule = context.watch.monitors.serving
    assert rule is not None
    merged = context.merged(1)
    rows = merged.total.answered
    if rows < MIN_ROWS:
        return []
    text = f"{percent(merged.invalid_outputs, rows)} of {rows} answers are no finite number"
    found = [_share("invalid outputs", merged.invalid_outputs, rows, rule.error_share, text)]
    outputs, reference = merged.total.outputs, context.reference
    if outputs is None or reference is None or reference.outputs is None or outputs.rows < context.watch.monitors.rows:
        return found
    known = {name: then for name, then in reference.outputs.columns.items() if name in outputs.columns}
    numbers = {name: then for name, then in known.items() if not isinstance(then, CategoricalProfile)}
    return [*found, *(_constant(name, then, outputs.columns[name]) for name, then in numbers.items())]


def _constant(name: str, then: ColumnProfile, now: ColumnProfile) -> Exhibit:
    assert not isinstance(then, CategoricalProfile)
    assert not isinstance(now, CategoricalProfile)
    constant = now.moments.minimum == now.moments.maximum and then.moments.variance > 0 and now.present > 1
    text = f"all {now.present} answers are {now.moments.mean:.6g}" if constant else "answers vary"
    one = threshold(name, "constant", now.moments.variance, constant, float(constant), text)
    return Exhibit(one.evidence, then, now)


def _share(subject: str, count: int, rows: int, allowed: float, text: str) -> Exhibit:
    p_value = min(1.0, 2 * binomial_tail(count, rows, allowed))
    explanation = f"{text}, {allowed:.2%} may"
    return Exhibit(Evidence(subject, "binomial", count / rows, p_value, count / rows - allowed, 1, explanation))
