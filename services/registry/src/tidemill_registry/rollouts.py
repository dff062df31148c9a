"""Rollouts: what the evidence, the clock or a person makes of them.

Each move is one transaction: the rollout's row, an audit entry, the new route and its event, and the event that tells
of the move. Whatever stops the registry between two, it goes on from the row.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from sqlmodel.ext.asyncio.session import AsyncSession
from tidemill.v1 import model_pb2 as pb
from tidemill.v1.monitoring_pb2 import RolloutEvidence
from tidemill.v1.reference_pb2 import Reference
from tidemill_contracts import topics
from tidemill_contracts.pipeline import PipelineFile
from tidemill_contracts.release import Strategy
from tidemill_runtime import logs
from tidemill_runtime.database import Database
from tidemill_runtime.errors import Conflict
from tidemill_runtime.events import Event, derived_id, new_event
from tidemill_runtime.outbox import enqueue

from tidemill_registry import metrics
from tidemill_registry.domain.course import with_look
from tidemill_registry.domain.evidence import Arms, news, usable
from tidemill_registry.domain.judging import Move, Plan, Progress
from tidemill_registry.domain.risk import Made, RiskAssessment, assess_risk, strategy_of
from tidemill_registry.domain.rollout import Phase, State, Trigger, changes_route, route_of, transition
from tidemill_registry.domain.routes import RoutedVersion, RouteState, promote
from tidemill_registry.repository import Repository
from tidemill_registry.serving import save_route
from tidemill_registry.tables import RolloutPaneRow, RolloutRow, VersionRow

ROLLOUT = "rollout"
STRATEGIES: Mapping[str, pb.ReleaseStrategy] = {
    "direct": pb.RELEASE_STRATEGY_DIRECT,
    "shadow": pb.RELEASE_STRATEGY_SHADOW,
    "canary": pb.RELEASE_STRATEGY_CANARY,
    "ab": pb.RELEASE_STRATEGY_AB,
    "bandit": pb.RELEASE_STRATEGY_BANDIT,
}
ACTIONS: Mapping[Trigger, str] = {
    Trigger.START: "release_started",
    Trigger.ADVANCE: "release_advanced",
    Trigger.SHIFT: "release_shifted",
    Trigger.PROMOTE: "promoted",
    Trigger.ROLL_BACK: "release_rolled_back",
    Trigger.GIVE_UP: "release_inconclusive",
    Trigger.SUPERSEDE: "release_superseded",
    Trigger.HOLD: "release_held",
    Trigger.RESUME: "release_resumed",
    Trigger.ABORT: "release_aborted",
}

log = logs.get_logger(__name__)


class Rollouts:
    """Lets approved versions in, each by the plan of its pipeline."""

    def __init__(self, database: Database, pipelines: Mapping[str, PipelineFile]) -> None:
        self._database = database
        self._by_model = {pipeline.model: pipeline for pipeline in pipelines.values()}

    async def risk(self, session: AsyncSession, version: VersionRow, route: RouteState | None) -> RiskAssessment:
        """Of releasing a version in the place of the champion."""
        serving = await Repository(session).version(version.model, route.champion.version) if route else None
        minimum = self._by_model[version.model].release.minimum_risk
        return assess_risk(_made(serving) if serving else None, _made(version), minimum)

    def strategy(self, model: str, risk: RiskAssessment, route: RouteState | None) -> Strategy:
        """How a version is let in; the first one at once."""
        return strategy_of(self._by_model[model].release, risk.risk) if route else "direct"

    async def begin(
        self,
        session: AsyncSession,
        version: VersionRow,
        route: RouteState | None,
        strategy: Strategy,
        risk: RiskAssessment,
    ) -> None:
        """Let an approved version in: at once where the strategy is `direct`, else by stages, in its turn."""
        repository = Repository(session)
        release = self._by_model[version.model].release
        plan = Plan.of(self._by_model[version.model], strategy)
        reason = f"version {version.version} approved by {version.decided_by}"
        if route is None or not plan.stages:
            for row in await repository.open_rollouts(version.model):
                route = await self._move(session, row, Move(Trigger.SUPERSEDE, f"{reason} takes all the traffic"))
            after = promote(route, _routed(version), reason)
            details = {"epoch": after.epoch, "strategy": strategy}
            await repository.audit(ROLLOUT, "promoted", version.model, version.version, reason, details)
            await save_route(session, version.model, after, release)
            return
        for row in await repository.open_rollouts(version.model):
            if not Phase(row.phase).is_running or release.newer == "replace":
                await self._move(session, row, Move(Trigger.SUPERSEDE, f"version {version.version} is newer"))
        row = RolloutRow(
            model=version.model,
            version=version.version,
            champion=route.champion.version,
            strategy=strategy,
            risk=risk.risk,
            risk_reason=risk.reason,
            plan=plan.to_dict(),
            phase=Phase.PENDING,
            stage=-1,
            share=0.0,
            held=False,
            reason=reason,
            first_epoch=0,
            epoch=route.epoch,
            progress=plan.start().to_dict(),
            course=[],
        )
        repository.add_rollout(row)
        await session.flush()
        await self._start_next(session, version.model)

    async def on_evidence(self, event: Event[RolloutEvidence]) -> None:
        """Use what is new of a pane, and move the rollout if it decides. Evidence of no rollout is dropped.

        A pane is told whole each time, and what was used of it is kept: an event that comes twice changes nothing.
        """
        told = event.data
        async with self._database.transaction() as session:
            repository = Repository(session)
            await repository.lock(told.model)
            row = await repository.running_rollout(told.model)
            if row is None:
                return
            known = await repository.used_evidence(row, told.start)
            if known is not None and known.sequence > told.sequence:
                return
            plan, progress = _plan(row), Progress.from_dict(row.progress)
            told.complete_until = max(told.complete_until, progress.now)
            now = usable(told, plan.label_wait)
            before = RolloutEvidence.FromString(known.used) if known else None
            arms = Arms(row.champion, row.version, row.first_epoch)
            progress = plan.observe(progress, news(now, before, arms, row.epoch), told.complete_until, _state(row))
            row.progress, row.course = progress.to_dict(), with_look(row.course, progress)
            row.heard_at = datetime.now(UTC)
            await repository.save_evidence(
                RolloutPaneRow(
                    model=row.model,
                    version=row.version,
                    start=told.start,
                    sequence=told.sequence,
                    used=now.SerializeToString(),
                )
            )
            await self._judge(session, row, plan, progress)

    async def tick(self) -> None:
        """Begin what waits for its turn or for the end of a freeze, and go on with what the end of one lets go on."""
        async with self._database.transaction() as session:
            models = await Repository(session).models_in_rollout()
        for model in models:
            async with self._database.transaction() as session:
                repository = Repository(session)
                await repository.lock(model)
                row = await repository.running_rollout(model)
                if row is not None:
                    await self._judge(session, row, _plan(row), Progress.from_dict(row.progress))
                await self._start_next(session, model)

    async def by_hand(self, model: str, trigger: Trigger, actor: str, reason: str) -> RolloutRow:
        """A person moves the rollout under way, or the one that waits. Conflict if there is none, or if it cannot."""
        async with self._database.transaction() as session:
            repository = Repository(session)
            await repository.lock(model)
            row = await repository.running_rollout(model) or next(iter(await repository.open_rollouts(model)), None)
            if row is None:
                raise Conflict(f"model {model!r} has no rollout under way")
            await self._move(session, row, Move(trigger, reason), actor)
            await self._start_next(session, model)
        metrics.DECISIONS.labels(model, ACTIONS[trigger], "person").inc()
        return row

    async def end_all(self, session: AsyncSession, model: str, reason: str) -> None:
        """Withdraw every candidate: their champion serves no more."""
        for row in await Repository(session).open_rollouts(model):
            await self._move(session, row, Move(Trigger.SUPERSEDE, reason))

    async def _start_next(self, session: AsyncSession, model: str) -> None:
        repository = Repository(session)
        if model not in self._by_model or await repository.running_rollout(model) is not None:
            return
        waiting = next((row for row in await repository.open_rollouts(model) if not row.held), None)
        if waiting is None or _plan(waiting).release.frozen(datetime.now(UTC)):
            return
        route = await repository.route(model)
        assert route is not None
        waiting.champion, waiting.first_epoch = route.champion.version, route.epoch + 1
        await self._move(session, waiting, Move(Trigger.START, f"{waiting.risk_reason}; by {waiting.strategy}"))

    async def _judge(self, session: AsyncSession, row: RolloutRow, plan: Plan, progress: Progress) -> None:
        move = plan.judge(_state(row), progress, frozen=plan.release.frozen(datetime.now(UTC)))
        if move is not None:
            await self._move(session, row, move)
            await self._start_next(session, row.model)

    async def _move(self, session: AsyncSession, row: RolloutRow, move: Move, actor: str = ROLLOUT) -> RouteState:
        """The one way a rollout moves; the route after it."""
        repository = Repository(session)
        plan, before = _plan(row), _state(row)
        after = transition(before, move.trigger, plan.stages, move.share)
        route = await repository.route(row.model)
        assert route is not None
        if changes_route(before, after):
            candidate = await repository.routed(row.model, row.version)
            route = route_of(after, plan.stages, candidate, route, move.reason)
            await save_route(session, row.model, route, self._by_model[row.model].release)
            progress = Progress.from_dict(row.progress)
            same_stage = move.trigger is Trigger.SHIFT
            row.progress = (progress.next_epoch() if same_stage else progress.next_stage()).to_dict()
        if move.trigger is Trigger.RESUME:
            row.progress = Progress.from_dict(row.progress).resumed().to_dict()
        row.phase, row.stage, row.share, row.held = after.phase, after.stage, after.share, after.held
        row.reason, row.epoch, row.changed_at = move.reason, route.epoch, datetime.now(UTC)
        repository.add_rollout(row)
        details = {"phase": after.phase, "stage": after.stage, "share": after.share, "epoch": route.epoch}
        await repository.audit(actor, ACTIONS[move.trigger], row.model, row.version, move.reason, details)
        await self._tell(session, row, move.trigger, actor)
        if after.phase.is_end:
            await self._end(session, row, after.phase, actor)
        await session.flush()
        metrics.ROLLOUTS.labels(row.model, move.trigger).inc()
        log.info("rollout moved", model=row.model, version=row.version, phase=after.phase, reason=move.reason)
        return route

    async def _end(self, session: AsyncSession, row: RolloutRow, phase: Phase, actor: str) -> None:
        repository = Repository(session)
        await repository.forget_evidence(row)
        if phase is not Phase.PROMOTED:
            version = await repository.version(row.model, row.version)
            version.state, version.decided_by, version.reason = phase.value, actor, row.reason
            repository.add(version)

    async def _tell(self, session: AsyncSession, row: RolloutRow, trigger: Trigger, actor: str) -> None:
        message = pb.RolloutChanged(
            model=row.model,
            version=row.version,
            champion=row.champion,
            trigger=trigger,
            phase=row.phase,
            stage=row.stage,
            share=row.share,
            held=row.held,
            actor=actor,
            reason=row.reason,
            epoch=row.epoch,
            strategy=STRATEGIES[row.strategy],
            risk=row.risk,
        )
        identifier = derived_id(topics.ROLLOUTS, row.model, row.version, trigger, row.changed_at.isoformat())
        await enqueue(session, topics.ROLLOUTS, new_event("registry", row.model, message, id=identifier))


def shown(row: RolloutRow) -> dict[str, Any]:
    """A rollout as people read it: its state, the evidence with its bounds, and what is awaited."""
    plan, progress, state = _plan(row), Progress.from_dict(row.progress), _state(row)
    stage = plan.stages[state.stage] if 0 <= state.stage < len(plan.stages) else None
    return {
        **row.model_dump(mode="json", exclude={"plan", "progress", "course"}),
        "stages": [{"phase": one.phase, "share": one.share, "fraction": one.fraction} for one in plan.stages],
        "fraction": stage.fraction if stage and state.phase.is_running else 0.0,
        "verdict": progress.decision.verdict,
        "evidence": plan.evidence(progress),
        "predictions": progress.predictions,
        "labelled": progress.labelled,
        "comparison": plan.comparison(progress),
        "awaits": plan.awaited(state, progress),
        "course": row.course,
    }


def _plan(row: RolloutRow) -> Plan:
    return Plan.from_dict(row.plan, cast(Strategy, row.strategy))


def _state(row: RolloutRow) -> State:
    return State(Phase(row.phase), row.stage, row.share, row.held)


def _routed(version: VersionRow) -> RoutedVersion:
    return RoutedVersion(version.version, version.artifact_digest)


def _made(version: VersionRow) -> Made:
    reference = Reference.FromString(version.reference)
    return Made.of(version.training, _columns(reference.inputs), _columns(reference.outputs))


def _columns(profile: Any) -> list[str]:
    return [f"{column.name} ({column.WhichOneof('values') or 'unknown'})" for column in profile.columns]
