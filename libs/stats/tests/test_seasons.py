from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.profile import empty
from tidemill_stats.profiling import profile_columns
from tidemill_stats.seasons import mixture, season_of

HOUR = 3_600_000_000
ZONES = ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/St_Johns"]


def columns(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    delay = rng.normal(shift, 1, rows)
    delay[: rows // 10] = np.nan
    delay[: rows // 50] = np.inf
    return {"delay": delay, "carrier": rng.choice(np.array(["AA", "B6", "UA"], dtype=object), rows)}


WHOLE = profile_columns(columns(5000, 0), times=(0, 100))
SEASONS = {
    season: profile_columns(columns(rows, season, shift=season), reference=WHOLE, times=(season, 50 + season))
    for season, rows in enumerate([1000, 2000, 50])
}


def micros(*when, zone="UTC"):
    return int(datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


@given(st.lists(st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1)), max_size=20), st.sampled_from(ZONES))
def test_seasons_are_those_of_the_local_clock(times, zone):
    utc = [time.replace(tzinfo=UTC) for time in times]
    stamps = np.array([round(time.timestamp() * 1e6) for time in utc], dtype=np.int64)
    local = [time.astimezone(ZoneInfo(zone)) for time in utc]
    assert season_of(stamps, "hour_of_day", zone).tolist() == [time.hour for time in local]
    assert season_of(stamps, "day_of_week", zone).tolist() == [time.weekday() for time in local]


def test_the_clock_changes_with_daylight_saving():
    before, after = micros(2013, 3, 10, 6, 59), micros(2013, 3, 10, 7, 0)
    assert season_of([before, after], "hour_of_day", "America/New_York").tolist() == [1, 3]


def test_before_the_epoch_and_of_any_shape():
    assert season_of([[-HOUR], [-1]], "hour_of_day").tolist() == [[23], [23]]
    assert season_of(-1, "day_of_week").tolist() == 2
    assert season_of([], "day_of_week").shape == (0,)


@pytest.mark.parametrize(
    ("times", "season", "zone"),
    [(0, "hour_of_day", "New York"), (0, "month", "UTC"), (2**62, "hour_of_day", "UTC"), (0, "day_of_week", "../UTC")],
)
def test_unknown_seasons_zones_and_times_are_refused(times, season, zone):
    with pytest.raises(InvalidInput):
        season_of(times, season, zone)


@pytest.mark.parametrize("season", [0, 1, 2])
def test_a_window_of_one_season_is_compared_with_just_that(season):
    assert mixture(SEASONS, {season: 7, 9: 0}) == SEASONS[season]


def test_shares_are_the_weighted_means_of_the_seasons():
    mixed = mixture(SEASONS, {0: 300, 1: 100})
    for name in WHOLE.columns:
        column, first, second = (profile.columns[name] for profile in (mixed, SEASONS[0], SEASONS[1]))
        expected = 0.75 * first.counts / 1000 + 0.25 * second.counts / 2000
        assert column.counts / mixed.rows == pytest.approx(expected, abs=1 / mixed.rows)
    delay, (first, second) = mixed.columns["delay"], (SEASONS[season].columns["delay"].moments for season in (0, 1))
    assert delay.missing / mixed.rows == pytest.approx(0.1, abs=1 / mixed.rows)
    assert delay.infinite / mixed.rows == pytest.approx(0.02, abs=1 / mixed.rows)
    assert delay.moments.mean == pytest.approx(0.75 * first.mean + 0.25 * second.mean)
    between = 0.75 * 0.25 * (first.mean - second.mean) ** 2
    assert delay.moments.variance == pytest.approx(0.75 * first.variance + 0.25 * second.variance + between)
    assert (mixed.from_time, mixed.to_time) == (0, 51)


def test_a_mixture_is_worth_no_more_rows_than_its_weights_leave():
    assert mixture(SEASONS, {0: 10, 1: 20}).rows == 3000
    assert mixture(SEASONS, {0: 300, 1: 100}).rows == round(1 / (0.75**2 / 1000 + 0.25**2 / 2000))
    assert mixture(SEASONS, {0: 1, 1: 1, 2: 1}).rows < 9 * 50


@given(st.dictionaries(st.sampled_from([0, 1, 2]), st.integers(1, 1000), min_size=1))
def test_every_row_of_a_mixture_is_in_every_column(weights):
    mixed = mixture(SEASONS, weights)
    assert 1 <= mixed.rows <= sum(SEASONS[season].rows for season in weights)
    assert all(column.present + column.missing == mixed.rows for column in mixed.columns.values())


def test_effective_rows_tell_how_much_the_shares_vary():
    rng = np.random.default_rng(3)
    edges = profile_columns({"x": np.arange(10.0)})
    weights, sizes = {0: 1, 1: 3}, [400, 200]

    def draw():
        return mixture(
            {
                season: profile_columns({"x": rng.integers(0, 10, size).astype(float)}, reference=edges)
                for season, size in enumerate(sizes)
            },
            weights,
        )

    mixtures = [draw() for _ in range(300)]
    rows = mixtures[0].rows
    shares = np.array([mixed.columns["x"].counts[:10] / rows for mixed in mixtures])
    assert rows * shares.var(axis=0).mean() / (0.1 * 0.9) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("weights", [{}, {0: 0}, {0: 1, 5: 1}, {0: 2, 1: -1}, {4: 1}])
def test_windows_without_a_reference_are_refused(weights):
    with pytest.raises(InvalidInput):
        mixture({**SEASONS, 4: empty(WHOLE)}, weights)


def test_seasons_binned_differently_do_not_mix():
    with pytest.raises(IncompatibleProfiles):
        mixture({0: WHOLE, 1: profile_columns(columns(100, 1))}, {0: 1, 1: 1})
