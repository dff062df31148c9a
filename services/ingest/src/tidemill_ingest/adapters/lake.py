"""Delta tables of the lake. Every append carries the Kafka offsets it covers as application transactions, so the table
itself says where to resume, and a second writer of the same offsets is refused.

Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#transaction-identifiers
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from tidemill_contracts.pipeline import Pipeline, Source
from tidemill_runtime.errors import Conflict, Unavailable

from tidemill_ingest.domain.dataset import LabelSummary

COMPACT_ABOVE_FILES = 256

TIME = pa.timestamp("us", tz="UTC")
RAW_SCHEMA = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("received_at", TIME),
        ("key", pa.binary()),
        ("value", pa.binary()),
    ]
)
QUARANTINE_SCHEMA = RAW_SCHEMA.append(pa.field("reasons", pa.list_(pa.string())))
LABELS_SCHEMA = pa.schema(
    [("pipeline", pa.string()), ("record_id", pa.string()), ("label", pa.float64()), ("observed_at", TIME)]
)
_TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "category": pa.string(), "timestamp": TIME}


def records_schema(source: Source) -> pa.Schema:
    """Columns of a source's clean records."""
    fields = [pa.field(name, _TYPES[field.type]) for name, field in source.fields.items()]
    return pa.schema([pa.field(source.key, pa.string()), *fields])


def dataset_schema(pipeline: Pipeline) -> pa.Schema:
    """Columns of a pipeline's data set."""
    features = [
        pa.field(name, pa.float64() if field.is_numeric else pa.string())
        for name, field in pipeline.feature_fields.items()
    ]
    label = pa.field(pipeline.label.name, pa.int64() if pipeline.task == "classification" else pa.float64())
    return pa.schema(
        [("record_id", pa.string()), ("event_time", TIME), *features, label, pa.field("version", pa.int64())]
    )


class Table:
    """One Delta table with one schema. Calls block; use them off the event loop."""

    def __init__(self, root_url: str, path: str, schema: pa.Schema, partition_by: Sequence[str] = ()) -> None:
        self.path = path
        self.schema = schema
        self._url = f"{root_url.rstrip('/')}/{path}"
        self._partition_by = list(partition_by)
        self._table: DeltaTable | None = None

    def open(self) -> None:
        """Open the table, creating it if it is not there, or read what others committed since."""
        if self._table is not None:
            self._table.update_incremental()
            return
        self._make_directory()
        try:
            self._table = DeltaTable(self._url)
        except TableNotFoundError:
            self._table = DeltaTable.create(
                self._url, self.schema, mode="ignore", partition_by=self._partition_by or None
            )

    @property
    def version(self) -> int:
        """Delta version of the snapshot in hand."""
        return self._opened().version()

    def transaction_version(self, application: str) -> int:
        """Newest version `application` has committed, 0 if none."""
        return self._opened().transaction_version(application) or 0

    def append(
        self, rows: pa.Table, transactions: Mapping[str, tuple[int, int]], metadata: Mapping[str, str] | None = None
    ) -> None:
        """Append rows in one commit with, per application, (the version expected in the table, the version after).

        Raises Conflict if another writer has moved on from an expected version, Unavailable if the storage fails.
        """
        table = self._opened()
        for application, (expected, _) in transactions.items():
            found = self.transaction_version(application)
            if found != expected:
                raise Conflict(f"{self.path}: {application} stands at {found}, not {expected}: another writer was here")
        properties = CommitProperties(
            custom_metadata=dict(metadata or {}),
            app_transactions=[Transaction(name, after) for name, (_, after) in transactions.items()],
        )
        try:
            write_deltalake(table, rows.cast(self.schema), mode="append", commit_properties=properties)
        except CommitFailedError as error:
            raise Conflict(f"{self.path}: {error}") from error
        except (DeltaError, OSError) as error:
            raise Unavailable(f"{self.path}: cannot be written: {error}") from error
        table.update_incremental()

    def compact(self) -> None:
        """Merge small files when there are many; readers and writers go on."""
        table = self._opened()
        if len(table.file_uris()) > COMPACT_ABOVE_FILES:
            table.optimize.compact()

    def summary(self, partition: Mapping[str, str], time_column: str) -> LabelSummary:
        """Rows of a partition and the span of a time column, from the files' statistics alone."""
        files = pl.DataFrame(self._opened().get_add_actions(flatten=True))
        for name, value in partition.items():
            files = files.filter(pl.col(f"partition.{name}") == value)
        if files.is_empty():
            return LabelSummary(0, None, None)
        oldest, newest = files[f"min.{time_column}"].min(), files[f"max.{time_column}"].max()
        assert isinstance(oldest, datetime)
        assert isinstance(newest, datetime)
        return LabelSummary(int(files["num_records"].sum()), oldest, newest)

    def read(self, columns: Sequence[str] | None = None, condition: ds.Expression | None = None) -> pl.DataFrame:
        """The rows of the snapshot in hand."""
        table = self._opened().to_pyarrow_table(columns=list(columns) if columns else None, filters=condition)
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def last_metadata(self, name: str) -> str | None:
        """The newest commit's value of a piece of custom metadata, None if no commit has it."""
        for commit in self._opened().history():
            value: Any = commit.get(name)
            if value is not None:
                return str(value)
        return None

    def _opened(self) -> DeltaTable:
        if self._table is None:
            self.open()
        assert self._table is not None
        return self._table

    def _make_directory(self) -> None:
        if self._url.startswith("file:"):
            Path(urlsplit(self._url).path).mkdir(parents=True, exist_ok=True)


class Lake:
    """The tables ingest writes."""

    def __init__(self, root_url: str) -> None:
        self._root_url = root_url
        self._tables: dict[str, Table] = {}

    def raw(self, stream: str) -> Table:
        """Canonical raw messages of a stream, before any transform."""
        return self._get(f"raw/{stream}", RAW_SCHEMA)

    def quarantine(self, stream: str) -> Table:
        """Refused messages of a stream, with the reasons."""
        return self._get(f"quarantine/{stream}", QUARANTINE_SCHEMA)

    def records(self, name: str, source: Source) -> Table:
        """Clean, distinct records of a source."""
        return self._get(f"records/{name}", records_schema(source))

    def labels(self) -> Table:
        """Labels of every pipeline's records."""
        return self._get("labels", LABELS_SCHEMA, ["pipeline"])

    def dataset(self, pipeline: Pipeline) -> Table:
        """A pipeline's data set."""
        return self._get(f"datasets/{pipeline.name}", dataset_schema(pipeline))

    def _get(self, path: str, schema: pa.Schema, partition_by: Sequence[str] = ()) -> Table:
        if path not in self._tables:
            self._tables[path] = Table(self._root_url, path, schema, partition_by)
        return self._tables[path]
