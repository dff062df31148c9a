"""Columns of a window against the same columns of a reference."""

from collections.abc import Callable

from tidemill_stats.drift import column_drift
from tidemill_stats.evidence import Evidence
from tidemill_stats.profile import DataProfile

from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.wording import difference


def compare(
    then: DataProfile, now: DataProfile, scale: int, design_effect: Callable[[str], float], suffix: str = ""
) -> list[Exhibit]:
    """How each column of `now` differs from `then`; `suffix` tells apart comparisons with different references."""
    found = []
    for name in sorted(then.columns.keys() & now.columns.keys()):
        before, after = then.columns[name], now.columns[name]
        result = column_drift(before, after, design_effect=design_effect(name))
        explanation = difference(before, after)
        evidence = Evidence(
            name, result.test + suffix, result.statistic, result.p_value, result.effect, scale, explanation
        )
        found.append(Exhibit(evidence, before, after))
    return found
