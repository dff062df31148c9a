"""How probable a false alarm each monitor may make in a window, so that all together keep what was asked."""

from collections.abc import Iterator

from tidemill_contracts.durations import microseconds
from tidemill_stats.budget import FalseAlarmBudget, split
from tidemill_stats.decision import DecisionRule

from tidemill_monitor.domain.monitors.table import MONITORS, Monitor
from tidemill_monitor.domain.watched import Watch
from tidemill_monitor.domain.windows import Window

CERTAIN = 0.5


def monitors_on(watch: Watch, window: Window) -> Iterator[tuple[Monitor, DecisionRule, float]]:
    """Each monitor that is on, with its rule and its level in a window; none that tests for a window without rows.

    The window's level is split evenly over the monitors that test; what is no matter of chance needs none.
    """
    able = [one for one in MONITORS if watch.classes is not None or not one.of_classes]
    on = [(monitor, rule) for monitor in able if (rule := monitor.rule(watch.monitors)) is not None]
    asked = watch.monitors.false_alarms
    level = FalseAlarmBudget(asked.observations, microseconds(asked.period)).level(window.rows, window.length)
    tested = {monitor.name: 1.0 for monitor, _ in on if monitor.tests}
    shares = split(level, tested) if tested and level > 0 else {}
    for monitor, rule in on:
        if not monitor.tests:
            yield monitor, rule, CERTAIN
        elif monitor.name in shares:
            yield monitor, rule, shares[monitor.name]
