"""Ingest's metrics."""

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter(
    "tidemill_ingest_records_total", "Messages stored, by outcome: clean, refused or repeated.", ["stream", "outcome"]
)
BATCH_SECONDS = Histogram("tidemill_ingest_batch_seconds", "Time to store one batch of a stream.", ["stream"])
DATASET_VERSION = Gauge("tidemill_ingest_dataset_version", "Newest data set version.", ["pipeline"])
DATASET_ROWS = Gauge("tidemill_ingest_dataset_rows", "Rows in the newest data set version.", ["pipeline"])
