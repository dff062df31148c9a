"""Writes a pipeline's data set versions and announces them.

The announcement is kept in the commit that makes the version, so that after a crash it is made again, the same.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime

import numpy as np
import polars as pl
import pyarrow.dataset as ds
from tidemill.v1.data_pb2 import DataArrived
from tidemill_contracts.pipeline import PipelineFile
from tidemill_runtime import failpoints, logs
from tidemill_runtime.errors import Conflict
from tidemill_stats.profile_proto import to_proto
from tidemill_stats.profiling import profile_columns

from tidemill_ingest import metrics
from tidemill_ingest.adapters.lake import Lake
from tidemill_ingest.domain.dataset import (
    EVENT_TIME,
    RECORD_ID,
    Progress,
    assemble,
    chained_digest,
    is_due,
    summary_of,
)

PROGRESS = "tidemill.progress"
ANNOUNCEMENT = "tidemill.data-arrived"
REST = 3

log = logs.get_logger(__name__)


class DatasetWriter:
    """One pipeline's data set. Calls block; use them off the event loop.

    Labels may wait for their records, for ever if those never come. After an assembly in vain it rests three times as
    long as that took, so that waiting labels cost little; `clock` gives seconds.
    """

    def __init__(self, lake: Lake, pipeline: PipelineFile, clock: Callable[[], float] = time.monotonic) -> None:
        self.pipeline = pipeline
        self._dataset = lake.dataset(pipeline)
        self._labels = lake.labels()
        self._sources = {name: lake.records(name, source) for name, source in pipeline.sources.items()}
        self._application = f"dataset/{pipeline.name}"
        self._progress = Progress()
        self._clock = clock
        self._rests_until = 0.0

    def resume(self) -> DataArrived | None:
        """Read where the data set stands; the announcement of its newest version, None if there is none."""
        self._dataset.open()
        self._progress = _read_progress(self._dataset.last_metadata(PROGRESS))
        self._measure()
        announcement = self._dataset.last_metadata(ANNOUNCEMENT)
        return DataArrived.FromString(base64.b64decode(announcement)) if announcement else None

    def write_if_due(self) -> DataArrived | None:
        """Write the next version if one is due; its announcement.

        Another member may have written it meanwhile: then its announcement is returned, which is the same.
        """
        started = self._clock()
        if started < self._rests_until:
            return None
        self._labels.open()
        labels = self._labels.summary({"pipeline": self.pipeline.name}, "observed_at")
        if not is_due(self.pipeline, self._progress, replace(labels, count=labels.count - self._progress.rows)):
            return None
        try:
            announcement = self._write()
        except Conflict:
            log.info("another member wrote the data set", pipeline=self.pipeline.name)
            return self.resume()
        if announcement is None:
            ended = self._clock()
            self._rests_until = ended + REST * (ended - started)
        return announcement

    def _write(self) -> DataArrived | None:
        before = self._progress
        self._dataset.open()
        if self._dataset.transaction_version(self._application) != before.version:
            raise Conflict(f"version {before.version} is not the newest any more")
        labels = self._labels.read(condition=ds.field("pipeline") == self.pipeline.name)
        rows = self._assemble(labels, before.version + 1)
        used = summary_of(labels, rows)
        if not is_due(self.pipeline, before, used):
            return None
        after = Progress(
            version=before.version + 1,
            rows=before.rows + rows.height,
            observed_until=used.newest,
            digest=chained_digest(before.digest, rows),
        )
        announcement = self._announcement(after, rows)
        self._dataset.append(
            rows.to_arrow(),
            {self._application: (before.version, after.version)},
            {
                PROGRESS: json.dumps(asdict(after), default=str),
                ANNOUNCEMENT: base64.b64encode(announcement.SerializeToString()).decode(),
            },
        )
        failpoints.hit("ingest.after-dataset")
        self._progress = after
        self._measure()
        return announcement

    def _assemble(self, labels: pl.DataFrame, version: int) -> pl.DataFrame:
        for table in self._sources.values():
            table.open()
        sources = {name: table.read() for name, table in self._sources.items()}
        return assemble(self.pipeline, sources, labels, self._dataset.read([RECORD_ID])[RECORD_ID], version)

    def _announcement(self, progress: Progress, rows: pl.DataFrame) -> DataArrived:
        event_times = self._dataset.read([EVENT_TIME])[EVENT_TIME].append(rows[EVENT_TIME])
        columns = {name: _values(rows[name]) for name in self.pipeline.feature_fields}
        message = DataArrived(
            pipeline=self.pipeline.name,
            version=progress.version,
            table=self._dataset.path,
            table_version=self._dataset.version + 1,
            rows=progress.rows,
            added_rows=rows.height,
            profile=to_proto(profile_columns(columns, times=_span(rows[EVENT_TIME]))),
            digest=progress.digest,
            pipeline_digest=self.pipeline.digest,
        )
        first, last = _span(event_times)
        message.from_time.FromMicroseconds(first)
        message.to_time.FromMicroseconds(last)
        return message

    def _measure(self) -> None:
        metrics.DATASET_VERSION.labels(self.pipeline.name).set(self._progress.version)
        metrics.DATASET_ROWS.labels(self.pipeline.name).set(self._progress.rows)


def _read_progress(text: str | None) -> Progress:
    if text is None:
        return Progress()
    fields = json.loads(text)
    observed = fields["observed_until"]
    return Progress(**{**fields, "observed_until": datetime.fromisoformat(observed) if observed else None})


def _values(column: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
    return (
        np.asarray(column.to_list(), dtype=object) if column.dtype == pl.String else column.cast(pl.Float64).to_numpy()
    )


def _span(times: pl.Series) -> tuple[int, int]:
    """Earliest and latest of event times, microseconds since the epoch."""
    micros = times.dt.epoch("us")
    return int(micros.min() or 0), int(micros.max() or 0)  # type: ignore[arg-type]
