"""The trainer's tables, in its own schema."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class DataVersionRow(SQLModel, table=True):
    """The newest data version of a pipeline."""

    __tablename__ = "data_versions"

    pipeline: str = Field(primary_key=True)
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    table: str
    table_version: int = Field(sa_column=Column(BigInteger, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    digest: str


class ChampionRow(SQLModel, table=True):
    """The version that serves, by the newest route seen."""

    __tablename__ = "champions"

    model: str = Field(primary_key=True)
    epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    artifact_digest: str


class RunRow(SQLModel, table=True):
    """A training run; `data` is the data version it reads, fixed when it starts, so that a repeat reads the same."""

    __tablename__ = "runs"

    id: str = Field(primary_key=True)
    pipeline: str
    state: str = "queued"
    cause: int = Field(sa_column=Column(BigInteger, nullable=False))
    cause_event_id: str
    reason: str
    traceparent: str | None = None
    joined_event_ids: list[str] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    attempts: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    lease_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    data: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    artifact_digest: str | None = None
    report_digest: str | None = None
    error: str | None = None
    queued_at: datetime = Field(default_factory=now, sa_column=Column(DateTime(timezone=True), nullable=False))
    started_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    ended_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
