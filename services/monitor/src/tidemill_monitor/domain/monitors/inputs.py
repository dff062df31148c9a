"""Has the distribution of an input moved, against training, the same season of training, or the windows before?"""

from functools import partial

from tidemill_stats.profile import DataProfile
from tidemill_stats.seasons import mixture, season_of

from tidemill_monitor.domain.context import MIN_ROWS, Context
from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.monitors.columns import compare
from tidemill_monitor.domain.monitors.correction import over_scales
from tidemill_monitor.domain.pane_store import Arm

SEASON = "season:"
SLICE = "slice:"


def input_drift(context: Context) -> list[Exhibit]:
    """Each input of the last windows against each reference the pipeline file names.

    A slice is compared with the slice of the training rows; where a season is declared there is none for the season of
    a slice, and slices are left alone.
    """
    rule = context.watch.monitors.input_drift
    assert rule is not None
    tests = [partial(_test, context, against) for against in rule.against]
    return [one for test in tests for one in over_scales(context, test, len(tests))]


def _test(context: Context, against: str, scale: int) -> list[Exhibit]:
    now = context.part(scale).inputs
    then = _training(context, scale) if against == "training" else _previous(context, scale)
    if now is None or then is None or min(now.rows, then.rows) < MIN_ROWS:
        return []
    return compare(then, now, scale, context.effects(scale).of, "" if against == "training" else "_previous")


def _previous(context: Context, scale: int) -> DataProfile | None:
    return context.before(scale, scale).inputs


def _training(context: Context, scale: int) -> DataProfile | None:
    if context.reference is None:
        return None
    groups = context.reference.groups
    if context.watch.monitors.season is None:
        return groups.get(SLICE + context.slice) if context.slice else context.reference.inputs
    if context.slice:
        return None
    weights = _rows_by_season(context, scale)
    seasons = {number: groups[f"{SEASON}{number}"] for number in weights if f"{SEASON}{number}" in groups}
    if any(rows and not (number in seasons and seasons[number].rows) for number, rows in weights.items()):
        return None
    return mixture(seasons, weights) if any(weights.values()) else None


def _rows_by_season(context: Context, scale: int) -> dict[int, int]:
    monitors = context.watch.monitors
    assert monitors.season is not None
    rows: dict[int, int] = {}
    for window in context.windows[-scale:]:
        by_pane = context.lookback.arms.rows_by_pane(Arm(context.version.number), window)
        middles = [start + context.watch.pane // 2 for start in by_pane]
        seasons = season_of(middles, monitors.season, monitors.timezone).tolist()
        for season, count in zip(seasons, by_pane.values(), strict=True):
            rows[season] = rows.get(season, 0) + count
    return rows
