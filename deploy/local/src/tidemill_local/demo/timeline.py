"""The year as ticks of one hour: what producers push, what the client asks, and which truths become known."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from tidemill_flights import data

TICK = timedelta(hours=1)
FIRST_PREDICTION = datetime(2013, 3, 1, 5, tzinfo=UTC)
END = datetime(2014, 1, 2, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Tick:
    """One hour: records by source, the features of the flights that depart in it, and (flight id, late) truths."""

    start: datetime
    weather: list[dict[str, Any]]
    flights: list[dict[str, Any]]
    features: pl.DataFrame
    truths: list[tuple[str, int, datetime]]


@dataclass(frozen=True)
class Timeline:
    """The frames of the year, each with the hour of every row."""

    weather: pl.DataFrame
    flights: pl.DataFrame
    features: pl.DataFrame
    truths: pl.DataFrame

    @classmethod
    def load(cls, sample: float, shuffle: int | None = None) -> "Timeline":
        """The year with a share of its flights, 0 to 1; with a seed, its hours in a random order."""
        return cls(
            weather=_by_hour(data.weather(shuffle), "observed_at"),
            flights=_by_hour(data.flights(sample, shuffle), "scheduled_departure"),
            features=_by_hour(data.serving_features(sample, shuffle), "scheduled_departure"),
            truths=_by_hour(data.truths(sample, shuffle), "known_at"),
        )

    def ticks(self, until: datetime) -> Iterator[Tick]:
        """Every hour before `until` in order, empty ones too."""
        weather, flights, features, truths = (
            {key[0]: group.drop("hour") for key, group in frame.partition_by("hour", as_dict=True).items()}
            for frame in (self.weather, self.flights, self.features, self.truths)
        )
        start = min(min(weather), min(flights))
        while start < until:
            yield Tick(
                start=start,
                weather=_records(weather.get(start), "observed_at"),
                flights=_records(flights.get(start), "scheduled_departure"),
                features=features.get(start, self.features.head(0)),
                truths=truths[start].rows() if start in truths else [],
            )
            start += TICK


def _by_hour(frame: pl.DataFrame, time: str) -> pl.DataFrame:
    return frame.with_columns(hour=pl.col(time).dt.truncate("1h"))


def _records(frame: pl.DataFrame | None, time: str) -> list[dict[str, Any]]:
    if frame is None:
        return []
    texts = frame.with_columns(pl.col(time).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return [{name: value for name, value in row.items() if value is not None} for row in texts.to_dicts()]
