"""Assembles a pipeline's data set: labelled records joined point in time with the other sources."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from tidemill_contracts.pipeline import Pipeline, feature_name

RECORD_ID = "record_id"
EVENT_TIME = "event_time"
VERSION = "version"


@dataclass(frozen=True)
class Progress:
    """Where a pipeline's data set stands: the last version, its rows, and the newest time one of their labels has."""

    version: int = 0
    rows: int = 0
    observed_until: datetime | None = None
    digest: str = ""


@dataclass(frozen=True)
class LabelSummary:
    """How many labels there are, and when the first and the last were observed."""

    count: int
    oldest: datetime | None
    newest: datetime | None


def is_due(pipeline: Pipeline, progress: Progress, unused: LabelSummary) -> bool:
    """Whether `unused` labels are enough for a new version: in number, or in time since the last version's newest
    label (for the first version: since the first of them)."""
    since = progress.observed_until or unused.oldest
    if unused.count <= 0 or unused.newest is None or since is None:
        return False
    return (
        unused.count >= pipeline.dataset.announce_every_rows or unused.newest - since >= pipeline.dataset.announce_every
    )


def summary_of(labels: pl.DataFrame, rows: pl.DataFrame) -> LabelSummary:
    """The labels that `rows` of a data set have; `labels` has record_id and observed_at."""
    observed = labels.filter(pl.col(RECORD_ID).is_in(rows[RECORD_ID].implode()))["observed_at"]
    oldest, newest = observed.min(), observed.max()
    assert oldest is None or isinstance(oldest, datetime)
    assert newest is None or isinstance(newest, datetime)
    return LabelSummary(rows.height, oldest, newest)


def assemble(
    pipeline: Pipeline,
    sources: Mapping[str, pl.DataFrame],
    labels: pl.DataFrame,
    known_ids: pl.Series,
    version: int,
) -> pl.DataFrame:
    """Rows of data set version `version`, ordered by event time, then record id.

    `sources` are the clean records by source name, `labels` has record_id, label, observed_at, `known_ids` are the
    records of earlier versions. A record waits until every joined source has reached its event time, so that a later
    reading of the same tables would join the same observation. Columns: record_id, event_time, the features, the label
    under its name, version.
    """
    source = pipeline.sources[pipeline.primary]
    newest_labels = labels.sort("observed_at").unique("record_id", keep="last").select(RECORD_ID, "label")
    rows = (
        sources[pipeline.primary]
        .rename({source.key: RECORD_ID})
        .unique(RECORD_ID, keep="first")
        .filter(~pl.col(RECORD_ID).is_in(known_ids.implode()), pl.col(source.event_time) <= _reached(pipeline, sources))
        .join(newest_labels, on=RECORD_ID)
        .sort(source.event_time, RECORD_ID)
    )
    for join in pipeline.joins:
        rows = _join_as_of(rows, source.event_time, pipeline, join.source, list(join.on), join.tolerance, sources)
    label = pl.col("label").cast(pl.Int64 if pipeline.task == "classification" else pl.Float64)
    return rows.select(
        RECORD_ID,
        pl.col(source.event_time).alias(EVENT_TIME),
        *(_feature(pipeline, feature) for feature in pipeline.features),
        label.alias(pipeline.label.name),
        pl.lit(version, dtype=pl.Int64).alias(VERSION),
    )


def chained_digest(previous: str, rows: pl.DataFrame) -> str:
    """SHA-256, hex, over the previous version's digest and the added rows as CSV."""
    return hashlib.sha256(
        previous.encode() + rows.write_csv(datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ").encode()
    ).hexdigest()


def _reached(pipeline: Pipeline, sources: Mapping[str, pl.DataFrame]) -> datetime:
    """Latest event time that every joined source has reached."""
    limit = datetime.max.replace(tzinfo=UTC)
    for join in pipeline.joins:
        newest = sources[join.source][pipeline.sources[join.source].event_time].max()
        if newest is None:
            return datetime.min.replace(tzinfo=UTC)
        assert isinstance(newest, datetime)
        limit = min(limit, newest)
    return limit


def _join_as_of(
    rows: pl.DataFrame,
    event_time: str,
    pipeline: Pipeline,
    name: str,
    on: list[str],
    tolerance: timedelta,
    sources: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    joined = pipeline.sources[name]
    others = (
        sources[name]
        .unique(joined.key, keep="first")
        .select(joined.event_time, *on, *(field for field in joined.fields if field not in (joined.event_time, *on)))
        .rename({field: f"{name}.{field}" for field in joined.fields if field not in on})
        .sort(f"{name}.{joined.event_time}")
    )
    return rows.join_asof(
        others,
        left_on=event_time,
        right_on=f"{name}.{joined.event_time}",
        by=on,
        strategy="backward",
        tolerance=tolerance,
        check_sortedness=False,
    )


def _feature(pipeline: Pipeline, feature: str) -> pl.Expr:
    numeric = pipeline.feature_field(feature).is_numeric
    name = feature.removeprefix(f"{pipeline.primary}.")
    return pl.col(name).cast(pl.Float64 if numeric else pl.String).alias(feature_name(feature))
