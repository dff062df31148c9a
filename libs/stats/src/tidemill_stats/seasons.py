"""Seasons of the clock, and the reference for a window that has rows of several."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from tidemill_stats.arrays import FloatArray, IntArray
from tidemill_stats.distinct import DistinctSketch
from tidemill_stats.errors import InvalidInput
from tidemill_stats.moments import Moments
from tidemill_stats.profile import (
    CategoricalProfile,
    ColumnProfile,
    DataProfile,
    NumericProfile,
    require_same_bins,
    require_same_columns,
)

Season = Literal["hour_of_day", "day_of_week"]

_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR
_QUARTER = _HOUR // 4
_FIRST_WEEKDAY = 3


def season_of(times: npt.ArrayLike, season: Season, timezone: str = "UTC") -> IntArray:
    """Season of each time, shaped as `times`: the local hour 0..23, or weekday, Monday 0 to Sunday 6.

    `times`: microseconds since the epoch, UTC; `timezone`: an IANA name. Its offset is looked up once per quarter of an
    hour, the grid on which zones have changed their clocks since 1973. Raises InvalidInput for an unknown season or
    zone, and for times outside the years 1 to 9999.
    """
    utc = np.asarray(times, dtype=np.int64)
    local = utc + _offsets(utc, timezone)
    if season == "hour_of_day":
        return local // _HOUR % 24
    if season == "day_of_week":
        return (local // _DAY + _FIRST_WEEKDAY) % 7
    raise InvalidInput(f"season must be hour_of_day or day_of_week, not {season!r}")


def mixture(profiles: Mapping[int, DataProfile], weights: Mapping[int, int]) -> DataProfile:
    """The reference for a window with `weights[s]` rows of each season s, from the reference of each season.

    The share of a cell is the weighted mean of its shares in the seasons (post-stratification). The profile has
    1 / sum(w^2 / n) rows, for weights w that sum to 1 and references of n rows: as many as would give a share as
    exactly if the seasons had one distribution, so at most all the rows, and just those of the season if it is the only
    one (Kish 1965, "Survey sampling", section 11.7). Rows are allotted to the cells by the largest remainder.

    Raises InvalidInput for negative weights, without a positive one, and where one has no reference rows;
    IncompatibleProfiles unless the profiles are binned alike.
    """
    if any(weight < 0 for weight in weights.values()):
        raise InvalidInput("weights must not be negative")
    seasons = sorted(season for season, weight in weights.items() if weight)
    unknown = [season for season in seasons if season not in profiles or not profiles[season].rows]
    if unknown or not seasons:
        raise InvalidInput(f"no reference rows for season {unknown[0]}" if unknown else "no weight is positive")
    parts = [profiles[season] for season in seasons]
    for part in parts[1:]:
        require_same_columns(parts[0], part)
    sizes = np.array([part.rows for part in parts], dtype=np.float64)
    shares = np.array([weights[season] for season in seasons], dtype=np.float64)
    shares /= shares.sum()
    rows = max(1, int(np.round(1 / np.sum(shares**2 / sizes))))
    per_row = shares / sizes
    return DataProfile(
        rows=rows,
        columns={name: _mixed([part.columns[name] for part in parts], per_row, rows) for name in parts[0].columns},
        from_time=min((part.from_time for part in parts if part.from_time is not None), default=None),
        to_time=max((part.to_time for part in parts if part.to_time is not None), default=None),
    )


def _offsets(utc: IntArray, timezone: str) -> IntArray:
    """Local time less UTC, in microseconds."""
    try:
        zone = ZoneInfo(timezone)
        quarters, places = np.unique(utc // _QUARTER, return_inverse=True)
        seconds = (quarters * (_QUARTER // _SECOND)).tolist()
        offsets = [datetime.fromtimestamp(second, zone).utcoffset() for second in seconds]
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError) as error:
        raise InvalidInput(f"times in time zone {timezone!r}: {error}") from error
    found = np.array([offset.total_seconds() * _SECOND for offset in offsets if offset is not None], dtype=np.int64)
    return found[places].reshape(utc.shape)


def _mixed(columns: Sequence[ColumnProfile], per_row: FloatArray, rows: int) -> ColumnProfile:
    for column in columns[1:]:
        require_same_bins(columns[0], column)
    sketches = [column.distinct for column in columns if column.distinct is not None]
    distinct = DistinctSketch.merge_all(sketches) if len(sketches) == len(columns) else None
    numeric = [column for column in columns if isinstance(column, NumericProfile)]
    if numeric:
        cells = [[*column.counts, column.missing - column.infinite, column.infinite] for column in numeric]
        *counts, unknown, infinite = _allotted(per_row @ np.array(cells, dtype=np.float64), rows)
        moments = _mixed_moments([column.moments for column in numeric], per_row, sum(counts))
        return NumericProfile(
            numeric[0].edges, np.array(counts), moments, unknown + infinite, infinite, distinct=distinct
        )
    categorical = [column for column in columns if isinstance(column, CategoricalProfile)]
    cells = [[*column.counts, column.other, column.missing] for column in categorical]
    *counts, other, missing = _allotted(per_row @ np.array(cells, dtype=np.float64), rows)
    return CategoricalProfile(categorical[0].categories, np.array(counts, dtype=np.int64), other, missing, distinct)


def _allotted(shares: FloatArray, rows: int) -> list[int]:
    """`rows` allotted to cells by shares that sum to 1: by whole quota, then by largest remainder, then by place."""
    quotas = shares * rows
    allotted = np.floor(quotas).astype(np.int64)
    most = np.argsort(allotted - quotas, kind="stable")
    allotted[most[: rows - int(allotted.sum())]] += 1
    counts: list[int] = allotted.tolist()
    return counts


def _mixed_moments(moments: Sequence[Moments], per_row: FloatArray, count: int) -> Moments:
    """Moments of `count` values from the moments of each season, its values weighted by `per_row`."""
    weights = per_row * np.array([one.count for one in moments], dtype=np.float64)
    if not count:
        return Moments()
    weights /= weights.sum()
    means = np.array([one.mean for one in moments])
    variances = np.array([one.variance for one in moments])
    mean = float(weights @ means)
    variance = float(weights @ (variances + (means - mean) ** 2)) if count > 1 else 0.0
    return Moments(count, mean, variance, min(one.minimum for one in moments), max(one.maximum for one in moments))
