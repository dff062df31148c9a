"""What the registry reads and writes, in the session of one transaction."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from tidemill_runtime.errors import NotFound

from tidemill_registry.domain.audit import GENESIS, Entry, chain_hash, first_broken
from tidemill_registry.domain.rollout import ENDS, RUNNING
from tidemill_registry.domain.routes import RoutedVersion, RouteState
from tidemill_registry.tables import AuditRow, ModelRow, RolloutPaneRow, RolloutRow, RouteRow, VersionRow


class Repository:
    """The registry's tables over one session."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self, model: str) -> None:
        """Decisions of a model take turns until the transaction ends."""
        connection = await self._session.connection()
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"model {model}"})

    async def next_version(self, model: str, pipeline: str) -> int:
        """A version number nobody else gets."""
        row = insert(ModelRow).values(name=model, pipeline=pipeline, last_version=1)
        following = row.on_conflict_do_update(
            index_elements=["name"], set_={"last_version": col(ModelRow.last_version) + 1, "pipeline": pipeline}
        )
        connection = await self._session.connection()
        return int((await connection.execute(following.returning(col(ModelRow.last_version)))).scalar_one())

    def add(self, version: VersionRow) -> None:
        self._session.add(version)

    async def models(self) -> Sequence[ModelRow]:
        return (await self._session.exec(select(ModelRow).order_by(col(ModelRow.name)))).all()

    async def versions(self, model: str, limit: int) -> Sequence[VersionRow]:
        """A model's versions, the newest first; NotFound if there is no such model."""
        if await self._session.get(ModelRow, model) is None:
            raise NotFound(f"no model {model!r}")
        query = (
            select(VersionRow).where(VersionRow.model == model).order_by(col(VersionRow.version).desc()).limit(limit)
        )
        return (await self._session.exec(query)).all()

    async def version(self, model: str, version: int) -> VersionRow:
        row = await self._session.get(VersionRow, (model, version))
        if row is None:
            raise NotFound(f"no version {version} of model {model!r}")
        return row

    async def approved_before(self, model: str, version: int) -> VersionRow | None:
        """The newest approved version before `version`."""
        query = (
            select(VersionRow)
            .where(VersionRow.model == model, VersionRow.version < version, VersionRow.state == "approved")
            .order_by(col(VersionRow.version).desc())
            .limit(1)
        )
        return (await self._session.exec(query)).first()

    async def route(self, model: str) -> RouteState | None:
        row = await self._session.get(RouteRow, model)
        if row is None:
            return None
        fallback = await self.routed(model, row.fallback) if row.fallback else None
        candidate = await self.routed(model, row.candidate) if row.candidate else None
        champion = await self.routed(model, row.champion)
        return RouteState(row.epoch, champion, fallback, row.reason, candidate, row.share, row.fraction)

    async def save_route(self, model: str, route: RouteState) -> None:
        await self._session.flush()
        await self._session.merge(
            RouteRow(
                model=model,
                epoch=route.epoch,
                champion=route.champion.version,
                fallback=route.fallback.version if route.fallback else None,
                reason=route.reason,
                candidate=route.candidate.version if route.candidate else None,
                share=route.share,
                fraction=route.fraction,
            )
        )

    async def rollout(self, model: str, version: int) -> RolloutRow:
        """NotFound if the version was never released by stages."""
        row = await self._session.get(RolloutRow, (model, version))
        if row is None:
            raise NotFound(f"version {version} of model {model!r} has no rollout")
        return row

    async def rollouts(self, model: str | None, limit: int) -> Sequence[RolloutRow]:
        """The newest first."""
        query = select(RolloutRow).order_by(col(RolloutRow.created_at).desc(), col(RolloutRow.version).desc())
        return (
            await self._session.exec((query.where(RolloutRow.model == model) if model else query).limit(limit))
        ).all()

    async def open_rollouts(self, model: str) -> Sequence[RolloutRow]:
        """Those that have not ended, the newest version first."""
        query = select(RolloutRow).where(RolloutRow.model == model, col(RolloutRow.phase).not_in(ENDS))
        return (await self._session.exec(query.order_by(col(RolloutRow.version).desc()))).all()

    async def running_rollout(self, model: str) -> RolloutRow | None:
        """The one whose candidate sees traffic."""
        query = select(RolloutRow).where(RolloutRow.model == model, col(RolloutRow.phase).in_(RUNNING))
        return (await self._session.exec(query)).first()

    async def models_in_rollout(self) -> Sequence[str]:
        """Models with a rollout that has not ended."""
        query = select(RolloutRow.model).where(col(RolloutRow.phase).not_in(ENDS)).distinct()
        return (await self._session.exec(query)).all()

    def add_rollout(self, row: RolloutRow) -> None:
        self._session.add(row)

    async def used_evidence(self, row: RolloutRow, start: int) -> RolloutPaneRow | None:
        return await self._session.get(RolloutPaneRow, (row.model, row.version, start))

    async def save_evidence(self, pane: RolloutPaneRow) -> None:
        await self._session.merge(pane)

    async def forget_evidence(self, row: RolloutRow) -> None:
        """Drop what was used of a rollout that has ended."""
        of_rollout = (col(RolloutPaneRow.model) == row.model) & (col(RolloutPaneRow.version) == row.version)
        await (await self._session.connection()).execute(delete(RolloutPaneRow).where(of_rollout))

    async def audit(
        self, actor: str, action: str, model: str, version: int, reason: str, details: Mapping[str, Any] | None = None
    ) -> None:
        """Append to the audit; entries take turns, so that the chain has no forks."""
        connection = await self._session.connection()
        await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('audit'))"))
        last = (await self._session.exec(select(AuditRow).order_by(col(AuditRow.sequence).desc()).limit(1))).first()
        entry = Entry(
            sequence=last.sequence + 1 if last else 1,
            at=datetime.now(UTC).isoformat(),
            actor=actor,
            action=action,
            model=model,
            version=version,
            reason=reason,
            details=dict(details or {}),
        )
        self._session.add(AuditRow(**entry.__dict__, hash=chain_hash(last.hash if last else GENESIS, entry)))

    async def audit_entries(self, model: str | None, limit: int) -> Sequence[AuditRow]:
        """The newest entries first."""
        query = select(AuditRow).order_by(col(AuditRow.sequence).desc()).limit(limit)
        return (await self._session.exec(query.where(AuditRow.model == model) if model else query)).all()

    async def history(self, model: str, version: int) -> Sequence[AuditRow]:
        """What was decided of a version, the oldest first."""
        query = select(AuditRow).where(AuditRow.model == model, AuditRow.version == version)
        return (await self._session.exec(query.order_by(col(AuditRow.sequence)))).all()

    async def entries_of(self, model: str | None) -> list[Entry]:
        """The whole audit, or what it says of a model, the oldest first."""
        query = select(AuditRow).order_by(col(AuditRow.sequence))
        rows = (await self._session.exec(query.where(AuditRow.model == model) if model else query)).all()
        return [Entry(**row.model_dump(exclude={"hash"})) for row in rows]

    async def first_broken_entry(self) -> int | None:
        """Sequence of the first audit entry that does not fit the chain."""
        rows = (await self._session.exec(select(AuditRow).order_by(col(AuditRow.sequence)))).all()
        return first_broken((Entry(**row.model_dump(exclude={"hash"})), row.hash) for row in rows)

    async def routed(self, model: str, version: int) -> RoutedVersion:
        return RoutedVersion(version, (await self.version(model, version)).artifact_digest)
