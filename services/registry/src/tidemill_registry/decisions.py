"""The registry's decisions. Each is one transaction: its effect, its audit entry, and its events in the outbox."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf.json_format import MessageToDict
from sqlmodel.ext.asyncio.session import AsyncSession
from tidemill.v1.model_pb2 import ModelApproved, PolicyFinding
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts import topics
from tidemill_contracts.pipeline import PipelineFile
from tidemill_runtime import failpoints, logs
from tidemill_runtime.database import Database
from tidemill_runtime.errors import Conflict, InvalidInput
from tidemill_runtime.events import Event, derived_id, new_event
from tidemill_runtime.outbox import enqueue, is_new

from tidemill_registry import metrics
from tidemill_registry.domain.policy import Evidence, Verdict, assess
from tidemill_registry.domain.rollout import stages_of
from tidemill_registry.domain.routes import RoutedVersion, RouteState, roll_back
from tidemill_registry.repository import Repository
from tidemill_registry.rollouts import STRATEGIES, Rollouts
from tidemill_registry.serving import save_route
from tidemill_registry.tables import VersionRow

POLICY = "policy"

log = logs.get_logger(__name__)


class Decisions:
    """Records versions and decides who serves."""

    def __init__(self, database: Database, pipelines: Mapping[str, PipelineFile], rollouts: Rollouts) -> None:
        self._database = database
        self._pipelines = pipelines
        self._rollouts = rollouts
        self._by_model = {pipeline.model: pipeline for pipeline in pipelines.values()}

    async def on_model_trained(self, event: Event[ModelTrained]) -> None:
        """Record the version, let the policy judge it, and let it serve if it may."""
        trained = event.data
        pipeline = self._pipelines.get(trained.pipeline)
        if pipeline is None or trained.model != pipeline.model:
            raise InvalidInput(f"no pipeline {trained.pipeline!r} with model {trained.model!r}")
        async with self._database.transaction() as session:
            if not await is_new(session, "registry", event.id):
                return
            repository = Repository(session)
            await repository.lock(trained.model)
            route = await repository.route(trained.model)
            assessment = assess(pipeline.policy, _evidence(trained, route))
            version = _version_row(trained, await repository.next_version(trained.model, trained.pipeline))
            version.state = assessment.verdict.value
            version.findings = [finding.__dict__ for finding in assessment.findings]
            version.reason = assessment.reason
            repository.add(version)
            await repository.audit(
                POLICY, assessment.verdict.value, version.model, version.version, assessment.reason, version.training
            )
            if assessment.verdict is Verdict.APPROVED:
                version.decided_at = datetime.now(UTC)
                await self._let_serve(session, version, route)
            failpoints.hit("registry.before-commit")
        failpoints.hit("registry.after-commit")
        metrics.VERSIONS.labels(version.model, assessment.verdict.value).inc()
        log.info(
            "version judged", model=version.model, version=version.version, verdict=version.state, reason=version.reason
        )

    async def approve(self, model: str, version: int, actor: str, reason: str) -> VersionRow:
        """A person lets a pending version serve; Conflict if it is not pending any more."""
        async with self._database.transaction() as session:
            row = await self._decide(session, model, version, actor, reason, "approved")
            await self._let_serve(session, row, await Repository(session).route(model))
        return row

    async def reject(self, model: str, version: int, actor: str, reason: str) -> VersionRow:
        """A person refuses a pending version; Conflict if it is not pending any more."""
        async with self._database.transaction() as session:
            return await self._decide(session, model, version, actor, reason, "rejected")

    async def roll_back(self, model: str, actor: str, reason: str) -> RouteState:
        """The champion is dropped and the version that served before it serves again; Conflict if there is none."""
        async with self._database.transaction() as session:
            repository = Repository(session)
            await repository.lock(model)
            route = await repository.route(model)
            if route is None:
                raise Conflict(f"no version of model {model!r} serves")
            target = route.fallback
            if target is None:
                raise Conflict(f"version {route.champion.version} is the first approved one of model {model!r}")
            dropped = await repository.version(model, route.champion.version)
            dropped.state, dropped.decided_by, dropped.reason = "rolled_back", actor, reason
            repository.add(dropped)
            await self._rollouts.end_all(session, model, f"version {dropped.version}, its champion, was rolled back")
            route = await repository.route(model) or route
            following = await repository.approved_before(model, target.version)
            fallback = RoutedVersion(following.version, following.artifact_digest) if following else None
            after = roll_back(route, target, fallback, reason)
            details = {"to": target.version, "epoch": after.epoch}
            await repository.audit(actor, "rolled_back", model, dropped.version, reason, details)
            await save_route(session, model, after, self._by_model[model].release)
        metrics.DECISIONS.labels(model, "rolled_back", "person").inc()
        return after

    async def _decide(
        self, session: AsyncSession, model: str, version: int, actor: str, reason: str, state: str
    ) -> VersionRow:
        repository = Repository(session)
        await repository.lock(model)
        row = await repository.version(model, version)
        if row.state != Verdict.PENDING:
            raise Conflict(f"version {version} of model {model!r} is {row.state}, not pending")
        row.state, row.decided_by, row.reason, row.decided_at = state, actor, reason, datetime.now(UTC)
        repository.add(row)
        await repository.audit(actor, state, model, version, reason)
        metrics.DECISIONS.labels(model, state, "person").inc()
        return row

    async def _let_serve(self, session: AsyncSession, version: VersionRow, route: RouteState | None) -> None:
        risk = await self._rollouts.risk(session, version, route)
        strategy = self._rollouts.strategy(version.model, risk, route)
        pipeline = self._by_model[version.model]
        stages = stages_of(pipeline.release, strategy)
        approved = ModelApproved(
            model=version.model,
            version=version.version,
            artifact_digest=version.artifact_digest,
            approved_by=version.decided_by,
            reason=version.reason,
            findings=[PolicyFinding(**finding) for finding in version.findings],
            release_strategy=STRATEGIES[strategy],
            release_share=stages[0].share if stages else 1.0,
            pipeline=pipeline.name,
            test_metrics=version.metrics,
        )
        approved.reference.ParseFromString(version.reference)
        identifier = derived_id(topics.MODEL_APPROVED, version.model, version.version)
        await enqueue(session, topics.MODEL_APPROVED, new_event("registry", version.model, approved, id=identifier))
        await session.flush()
        await self._rollouts.begin(session, version, route, strategy, risk)


def _evidence(trained: ModelTrained, route: RouteState | None) -> Evidence:
    return Evidence(
        metrics=_measured(trained.winner.test_metrics),
        incumbent_version=trained.incumbent.version,
        incumbent_metrics=_measured(trained.incumbent.test_metrics),
        champion_version=route.champion.version if route else 0,
    )


def _measured(metrics: Mapping[str, float]) -> dict[str, float]:
    """A metric that is no number, such as the AUC of rows of one class, was not measured."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _version_row(trained: ModelTrained, version: int) -> VersionRow:
    told = ModelTrained()
    told.CopyFrom(trained)
    told.ClearField("reference")
    return VersionRow(
        model=trained.model,
        version=version,
        run_id=trained.run_id,
        state=Verdict.PENDING,
        artifact_digest=trained.artifact_digest,
        candidate=trained.winner.name,
        algorithm=trained.winner.algorithm,
        metrics=_measured(trained.winner.test_metrics),
        training=MessageToDict(told, preserving_proto_field_name=True),
        findings=[],
        reference=trained.reference.SerializeToString(),
        reason="",
        decided_by=POLICY,
    )
