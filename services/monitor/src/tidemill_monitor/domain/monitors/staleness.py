"""Are the model, its data or its labels too old?"""

from datetime import timedelta

from tidemill_contracts.durations import microseconds

from tidemill_monitor.domain.context import Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.correction import threshold
from tidemill_monitor.domain.wording import day, duration


def ages(context: Context) -> dict[str, int | None]:
    """Age of the model, the data and the labels at the end of the window, microseconds of event time; None: unknown."""
    now = context.window.end
    arrived = max((until for until in context.data if until <= now), default=None)
    trained = context.reference.trained_until if context.reference is not None else None
    newest = {"model": trained, "data": arrived, "labels": context.panes.newest_label(now)}
    return {subject: None if at is None else max(0, now - at) for subject, at in newest.items()}


def staleness(context: Context) -> list[Exhibit]:
    """Each age against the greatest that is declared; effect: how many times as old."""
    rule = context.watch.monitors.staleness
    limits: dict[str, timedelta | None] = {"model": rule.model, "data": rule.data, "labels": rule.labels}
    found = []
    for subject, age in ages(context).items():
        limit = limits[subject]
        if limit is None or age is None:
            continue
        most = microseconds(limit)
        since = day(context.window.end - age)
        text = f"{duration(age)} old, of {since}, where {duration(most)} is allowed"
        found.append(threshold(subject, "age", age / 1e6, age > most, age / most, text))
    return found
