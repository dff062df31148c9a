"""Ingest's settings."""

from pydantic import Field
from tidemill_runtime.settings import PipelineSettings


class IngestSettings(PipelineSettings):
    """The common settings, and where the lake is and how it is written."""

    lake_url: str = Field(description="file:///… or s3://…: root of the Delta tables.")
    ingest_flush_seconds: float = Field(default=1.0, gt=0, description="Longest wait for a batch to fill.")
    ingest_flush_rows: int = Field(default=5_000, ge=1, description="Records in one batch at most.")
    ingest_max_body_bytes: int = Field(default=16 << 20, ge=1)
    ingest_max_records: int = Field(default=10_000, ge=1, description="Records in one request at most.")
