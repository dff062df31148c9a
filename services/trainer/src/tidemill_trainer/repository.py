"""The trainer's queries: each runs in the caller's transaction."""

from datetime import timedelta

from sqlalchemy import exists, literal, or_, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from tidemill_runtime.events import derived_id
from tidemill_runtime.tracing import current_traceparent

from tidemill_trainer.domain.triggers import Cause
from tidemill_trainer.tables import ChampionRow, DataVersionRow, RunRow, now


async def remember_data(session: AsyncSession, row: DataVersionRow) -> None:
    """Keep the pipeline's newest data version; an older one changes nothing."""
    values = insert(DataVersionRow).values(row.model_dump())
    newer = values.on_conflict_do_update(
        index_elements=["pipeline"],
        set_={name: values.excluded[name] for name in ("version", "table", "table_version", "rows", "digest")},
        where=values.excluded.version > col(DataVersionRow.version),
    )
    await (await session.connection()).execute(newer)


async def remember_champion(session: AsyncSession, row: ChampionRow) -> None:
    """Keep the model's champion of the newest route; an older one changes nothing."""
    values = insert(ChampionRow).values(row.model_dump())
    newer = values.on_conflict_do_update(
        index_elements=["model"],
        set_={name: values.excluded[name] for name in ("epoch", "version", "artifact_digest")},
        where=values.excluded.epoch > col(ChampionRow.epoch),
    )
    await (await session.connection()).execute(newer)


async def queue(session: AsyncSession, pipeline: str, cause: Cause) -> None:
    """Queue a run of the pipeline, on the current trace; if one is queued already, the cause joins it."""
    row = RunRow(
        id=derived_id("training-run", cause.event_id),
        pipeline=pipeline,
        cause=cause.kind,
        cause_event_id=cause.event_id,
        reason=cause.reason,
        traceparent=current_traceparent(),
    )
    values = insert(RunRow).values(row.model_dump())
    joined = values.on_conflict_do_update(
        index_elements=["pipeline"],
        index_where=text("state = 'queued'"),
        set_={"joined_event_ids": col(RunRow.joined_event_ids).op("||")(literal([cause.event_id], JSONB))},
    )
    await (await session.connection()).execute(joined)


async def has_run(session: AsyncSession, pipeline: str) -> bool:
    """Whether a run of the pipeline waits, runs or succeeded."""
    found = select(RunRow.id).where(RunRow.pipeline == pipeline, RunRow.state != "failed").limit(1)
    return (await session.exec(found)).first() is not None


async def is_active(session: AsyncSession, pipeline: str, cause: int) -> bool:
    """Whether a run of the pipeline with this cause waits or runs."""
    found = (
        select(RunRow.id)
        .where(RunRow.pipeline == pipeline, RunRow.cause == cause, col(RunRow.state).in_(("queued", "running")))
        .limit(1)
    )
    return (await session.exec(found)).first() is not None


async def claim(session: AsyncSession, lease: timedelta) -> RunRow | None:
    """Take the oldest run that waits, or whose trainer has been silent for longer than its lease.

    A pipeline has one run at a time: others of it are passed over.
    """
    other = aliased(RunRow)
    busy = exists().where(
        col(other.pipeline) == col(RunRow.pipeline),
        col(other.id) != col(RunRow.id),
        col(other.state) == "running",
        col(other.lease_until) > now(),
    )
    abandoned = (col(RunRow.state) == "running") & (col(RunRow.lease_until) <= now())
    waiting = (
        select(RunRow)
        .where(or_(col(RunRow.state) == "queued", abandoned), ~busy)
        .order_by(col(RunRow.queued_at))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (await session.exec(waiting)).first()
    if row is None:
        return None
    if row.data is None:
        data = await session.get(DataVersionRow, row.pipeline)
        row.data = data.model_dump() if data else None
    row.state = "running"
    row.attempts += 1
    row.started_at = row.started_at or now()
    row.lease_until = now() + lease
    session.add(row)
    await session.flush()
    return row


async def renew(session: AsyncSession, run: RunRow, lease: timedelta) -> bool:
    """Prolong the lease; False if the run is no longer this trainer's."""
    changed = (
        update(RunRow)
        .where(col(RunRow.id) == run.id, col(RunRow.state) == "running", col(RunRow.attempts) == run.attempts)
        .values(lease_until=now() + lease)
    )
    return bool((await (await session.connection()).execute(changed)).rowcount)


async def release(session: AsyncSession, run: RunRow) -> None:
    """Give the run back, to be done again."""
    mine = (col(RunRow.id) == run.id, col(RunRow.state) == "running", col(RunRow.attempts) == run.attempts)
    given = update(RunRow).where(*mine).values(lease_until=now(), attempts=run.attempts - 1)
    await (await session.connection()).execute(given)


async def end(session: AsyncSession, run: RunRow, state: str, **result: str | None) -> bool:
    """Record how the run ended; False if it is no longer this trainer's, and then nothing is recorded."""
    mine = (col(RunRow.id) == run.id, col(RunRow.state) == "running", col(RunRow.attempts) == run.attempts)
    ended = update(RunRow).where(*mine).values(state=state, ended_at=now(), lease_until=None, **result)
    return bool((await (await session.connection()).execute(ended)).rowcount)
