"""Transactional outbox and inbox: an event is published if and only if its transaction commits, and an event is
applied once however often it comes.

The relay publishes in commit-safe order: identifiers do not commit in order, so it never asks for `id > last` but takes
whatever is committed, publishes it and deletes it, one relay at a time. Rows of one transaction keep their order. A
crash between publishing and deleting repeats an event with the same id.
Source: https://microservices.io/patterns/data/transactional-outbox.html
"""

import asyncio
from datetime import UTC, datetime

from google.protobuf.message import Message
from sqlalchemy import BigInteger, Column, DateTime, Identity, LargeBinary, delete, func, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from tidemill_runtime import failpoints, logs, metrics
from tidemill_runtime.bus import Producer, backoff
from tidemill_runtime.database import Database
from tidemill_runtime.errors import TooLarge, Unavailable
from tidemill_runtime.events import Event, headers_of
from tidemill_runtime.kafka import MAX_MESSAGE_BYTES
from tidemill_runtime.lifecycle import Worker

RELAY_BATCH = 100
MAX_VALUE_BYTES = MAX_MESSAGE_BYTES - (64 << 10)
IDLE_SECONDS = 0.1

log = logs.get_logger(__name__)


class OutboxRow(SQLModel, table=True):
    """An event to be published."""

    __tablename__ = "outbox"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    topic: str
    key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    headers: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(
        default_factory=lambda: datetime.now(UTC), sa_column=Column(DateTime(timezone=True), nullable=False)
    )


class InboxRow(SQLModel, table=True):
    """An event whose effect is in the database."""

    __tablename__ = "inbox"

    consumer: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    processed_at: datetime = Field(
        default_factory=lambda: datetime.now(UTC), sa_column=Column(DateTime(timezone=True), nullable=False)
    )


async def enqueue(session: AsyncSession, topic: str, event: Event[Message]) -> None:
    """Publish `event` on `topic` when the session's transaction commits.

    Raises TooLarge for an event that the broker would refuse: in the relay it would stand in the way of all others.
    """
    value = event.data.SerializeToString()
    if len(value) > MAX_VALUE_BYTES:
        raise TooLarge(f"{topic}: an event of {len(value)} bytes, more than {MAX_VALUE_BYTES}")
    session.add(
        OutboxRow(
            topic=topic,
            key=event.subject.encode(),
            value=value,
            headers={name: value.decode() for name, value in headers_of(event)},
        )
    )


async def is_new(session: AsyncSession, consumer: str, event_id: str) -> bool:
    """Whether `consumer` sees the event for the first time; remembers it with the session's transaction."""
    row = insert(InboxRow).values(consumer=consumer, event_id=event_id, processed_at=datetime.now(UTC))
    connection = await session.connection()
    result = await connection.execute(row.on_conflict_do_nothing().returning(col(InboxRow.event_id)))
    return result.first() is not None


class OutboxRelay:
    """Publishes the outbox of one schema."""

    def __init__(self, database: Database, producer: Producer) -> None:
        self._database = database
        self._producer = producer
        self._worker = Worker(f"outbox {database.schema}", self._relay)

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._worker.failed

    async def start(self) -> None:
        await self._worker.start()

    async def stop(self) -> None:
        await self._worker.stop()

    async def publish_pending(self) -> int:
        """Publish up to one batch of events, in order; how many there were."""
        async with self._database.transaction() as session:
            connection = await session.connection()
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('outbox ' || current_schema()))"))
            rows = (await session.exec(select(OutboxRow).order_by(col(OutboxRow.id)).limit(RELAY_BATCH))).all()
            if not rows:
                metrics.OUTBOX_PENDING.labels(self._database.schema).set(0)
                return 0
            for row in rows:
                headers = [(name, value.encode()) for name, value in row.headers.items()]
                await self._producer.send_raw(row.topic, key=row.key, value=row.value, headers=headers)
            failpoints.hit("outbox.after-publish")
            await connection.execute(delete(OutboxRow).where(col(OutboxRow.id).in_([row.id for row in rows])))
            pending = (await session.exec(select(func.count()).select_from(OutboxRow))).one()
            metrics.OUTBOX_PENDING.labels(self._database.schema).set(pending)
            return len(rows)

    async def _relay(self) -> None:
        attempt = 0
        while True:
            try:
                published = await self.publish_pending()
                attempt = 0
            except Unavailable as error:
                attempt += 1
                published = 0
                log.warning("outbox waits", schema=self._database.schema, error=str(error))
                await asyncio.sleep(backoff(attempt, 0.2))
            if published < RELAY_BATCH:
                await asyncio.sleep(IDLE_SECONDS)
