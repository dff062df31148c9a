"""The registry's tables, in its own schema."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def _now() -> datetime:
    return datetime.now(UTC)


class ModelRow(SQLModel, table=True):
    """A model and the last version number given out."""

    __tablename__ = "models"

    name: str = Field(primary_key=True)
    pipeline: str
    last_version: int = Field(sa_column=Column(BigInteger, nullable=False))


class VersionRow(SQLModel, table=True):
    """A version, what made it, and what was decided of it."""

    __tablename__ = "versions"

    model: str = Field(primary_key=True)
    version: int = Field(sa_column=Column(BigInteger, primary_key=True))
    run_id: str
    state: str
    artifact_digest: str
    candidate: str
    algorithm: str
    metrics: dict[str, float] = Field(sa_column=Column(JSONB, nullable=False))
    training: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    findings: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    reference: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reason: str
    decided_by: str
    created_at: datetime = Field(default_factory=_now, sa_column=Column(DateTime(timezone=True), nullable=False))
    decided_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class RouteRow(SQLModel, table=True):
    """A model's serving table."""

    __tablename__ = "routes"

    model: str = Field(primary_key=True)
    epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    champion: int = Field(sa_column=Column(BigInteger, nullable=False))
    fallback: int | None = Field(default=None, sa_column=Column(BigInteger))
    reason: str
    candidate: int | None = Field(default=None, sa_column=Column(BigInteger))
    share: float = 0.0
    fraction: float = 0.0
    changed_at: datetime = Field(default_factory=_now, sa_column=Column(DateTime(timezone=True), nullable=False))


class RolloutRow(SQLModel, table=True):
    """How a version is let in, and how far it is. `course`: bounds of the metrics over event time, thinned out."""

    __tablename__ = "rollouts"

    model: str = Field(primary_key=True)
    version: int = Field(sa_column=Column(BigInteger, primary_key=True))
    champion: int = Field(sa_column=Column(BigInteger, nullable=False))
    strategy: str
    risk: str
    risk_reason: str
    plan: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    phase: str
    stage: int
    share: float
    held: bool
    reason: str
    first_epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    epoch: int = Field(sa_column=Column(BigInteger, nullable=False))
    progress: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    course: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    heard_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    created_at: datetime = Field(default_factory=_now, sa_column=Column(DateTime(timezone=True), nullable=False))
    changed_at: datetime = Field(default_factory=_now, sa_column=Column(DateTime(timezone=True), nullable=False))


class RolloutPaneRow(SQLModel, table=True):
    """What of the evidence of one pane of event time was used; `start` in microseconds since the epoch."""

    __tablename__ = "rollout_panes"

    model: str = Field(primary_key=True)
    version: int = Field(sa_column=Column(BigInteger, primary_key=True))
    start: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    used: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AuditRow(SQLModel, table=True):
    """An entry of the hash-chained audit; the database refuses to change or delete one."""

    __tablename__ = "audit"

    sequence: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: str
    actor: str
    action: str
    model: str
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    reason: str
    details: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    hash: str
