"""The replayed year."""

from pathlib import Path

import polars as pl
import pytest
from tidemill_contracts.loading import load_pipeline
from tidemill_flights import data

SAMPLE = 0.02


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


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="sample"):
        data.flights(share)
