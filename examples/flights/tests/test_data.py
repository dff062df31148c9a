"""The replayed year."""

from pathlib import Path

import polars as pl
import pytest
from tidemill_contracts.loading import load_pipeline
from tidemill_flights import data

SAMPLE = 0.02
SEED = 7


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    return data.flights(SAMPLE)


def test_the_features_are_those_of_the_pipeline_file() -> None:
    pipeline = load_pipeline(Path(__file__).parents[1] / "pipeline.yaml")

    assert list(data.FEATURES) == list(pipeline.feature_fields)
    assert list(data.serving_features(SAMPLE).columns) == ["id", "scheduled_departure", *data.FEATURES]


def test_local_schedule_and_utc_departure_agree(flights: pl.DataFrame) -> None:
    local = flights["scheduled_departure"].dt.convert_time_zone("America/New_York")

    assert (local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute() == flights["sched_dep_minute"]).all()
    assert (local.dt.weekday().cast(pl.Int64) == flights["day_of_week"]).all()


def test_a_smaller_sample_is_a_part_of_a_larger_one_of_about_its_share(flights: pl.DataFrame) -> None:
    larger = data.flights(0.2)

    assert flights.join(larger, on="id", how="semi").height == flights.height
    assert larger.height == pytest.approx(0.2 * 336_776, rel=0.02)


def test_records_come_in_the_order_of_their_event_time(flights: pl.DataFrame) -> None:
    assert flights["scheduled_departure"].is_sorted()
    assert data.weather()["observed_at"].is_sorted()
    assert data.truths(SAMPLE)["known_at"].is_sorted()


def test_a_truth_is_known_after_its_flight_left_and_only_of_flights_that_arrived(flights: pl.DataFrame) -> None:
    joined = flights.join(data.truths(SAMPLE), on="id", how="left")

    assert 0 < joined["late"].null_count() < 0.05 * joined.height
    known = joined.filter(pl.col("late").is_not_null())
    assert (known["known_at"] > known["scheduled_departure"]).all()
    assert set(known["late"]) == {0, 1}


def test_a_client_sends_the_origins_newest_weather_that_was_known_at_departure() -> None:
    features = data.serving_features(SAMPLE).filter(pl.col("weather_temp").is_not_null()).head(200)
    observed = data.weather()

    for row in features.rows(named=True):
        known = observed.filter(pl.col("origin") == row["origin"], pl.col("observed_at") <= row["scheduled_departure"])
        assert row["weather_temp"] == known["temp"][-1]


def test_a_shuffled_year_has_the_same_flights_in_the_order_of_their_new_times(flights: pl.DataFrame) -> None:
    shuffled = data.flights(SAMPLE, SEED)

    assert shuffled["scheduled_departure"].is_sorted()
    schedule = ["id", *data.SCHEDULE]
    assert shuffled.select(schedule).sort("id").equals(flights.select(schedule).sort("id"))


def test_shuffling_puts_whole_hours_into_another_order(flights: pl.DataFrame) -> None:
    moved = _side_by_side(flights, data.flights(SAMPLE, SEED))
    before, after = pl.col("scheduled_departure"), pl.col("scheduled_departure_shuffled")
    hours = moved.select(before.dt.truncate("1h"), after.dt.truncate("1h")).unique()

    assert moved.filter(before.dt.minute() != after.dt.minute()).is_empty()
    assert hours["scheduled_departure"].is_unique().all()
    assert hours["scheduled_departure_shuffled"].is_unique().all()
    assert hours.filter(before != after).height > 0.99 * hours.height
    assert set(hours["scheduled_departure_shuffled"].dt.hour()) == set(range(24))


def test_each_flight_of_a_shuffled_year_keeps_its_features_if_its_hour_has_weather() -> None:
    observed = data.weather().select("origin", observed_at="observed_at")
    moved = _side_by_side(data.serving_features(SAMPLE), data.serving_features(SAMPLE, SEED))

    with_weather = moved.with_columns(observed_at=pl.col("scheduled_departure").dt.truncate("1h")).join(
        observed, on=["origin", "observed_at"], how="semi"
    )
    assert with_weather.height > 0.95 * moved.height
    for name in data.FEATURES:
        assert with_weather[name].equals(with_weather[f"{name}_shuffled"], null_equal=True, check_names=False), name


def test_each_truth_of_a_shuffled_year_is_known_as_long_after_departure(flights: pl.DataFrame) -> None:
    truths, shuffled = (
        data.flights(SAMPLE, seed).join(data.truths(SAMPLE, seed), on="id").sort("id") for seed in (None, SEED)
    )

    assert truths["late"].equals(shuffled["late"])
    wait = pl.col("known_at") - pl.col("scheduled_departure")
    assert truths.select(wait).equals(shuffled.select(wait))
    assert data.truths(SAMPLE, SEED)["known_at"].is_sorted()


def test_the_weather_of_a_shuffled_year_is_moved_with_the_hours_of_its_flights(flights: pl.DataFrame) -> None:
    weather = _side_by_side(data.weather(), data.weather(SEED))
    hours = _side_by_side(flights, data.flights(SAMPLE, SEED)).select(
        observed_at=pl.col("scheduled_departure").dt.truncate("1h"),
        moved_to=pl.col("scheduled_departure_shuffled").dt.truncate("1h"),
    )

    together = weather.join(hours.unique(), on="observed_at")
    assert together.height > 1000
    assert (together["observed_at_shuffled"] == together["moved_to"]).all()


def test_there_are_no_months_in_a_shuffled_year() -> None:
    def warmest_less_coldest(shuffle: int | None) -> float:
        features = data.serving_features(SAMPLE, shuffle)
        months = features.group_by(pl.col("scheduled_departure").dt.month()).agg(pl.col("weather_temp").mean())
        return float(months["weather_temp"].max()) - float(months["weather_temp"].min())  # type: ignore[arg-type]

    assert warmest_less_coldest(None) > 30
    assert warmest_less_coldest(SEED) < 6


def test_a_seed_draws_one_order() -> None:
    assert data.weather(SEED).equals(data.weather(SEED))
    assert not data.weather(SEED).equals(data.weather(SEED + 1))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="sample"):
        data.flights(share)


def _side_by_side(frame: pl.DataFrame, shuffled: pl.DataFrame) -> pl.DataFrame:
    """Both by `id`; the columns of the second with the suffix `_shuffled`."""
    assert frame.height == shuffled.height
    return frame.join(shuffled, on="id", suffix="_shuffled", validate="1:1").sort("id")
