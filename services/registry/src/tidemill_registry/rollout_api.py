"""The HTTP API of rollouts and of the metrics of delivery."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from tidemill_runtime.database import Database
from tidemill_runtime.errors import NotFound
from tidemill_runtime.http import operators_only

from tidemill_registry.api import Decision, Limit
from tidemill_registry.domain.delivery import delivery
from tidemill_registry.domain.rollout import Trigger
from tidemill_registry.repository import Repository
from tidemill_registry.rollouts import Rollouts, shown
from tidemill_registry.settings import RegistrySettings

Days = Annotated[int, Query(ge=1, le=3650)]


def create_rollout_router(settings: RegistrySettings, database: Database, rollouts: Rollouts) -> APIRouter:
    """The routes under `/v1`."""
    router = APIRouter(prefix="/v1")
    operator = [Depends(operators_only(settings.operator_token))]

    @router.get("/rollouts", tags=["rollouts"])
    async def list_rollouts(model: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """The newest first."""
        async with database.transaction() as session:
            return [shown(row) for row in await Repository(session).rollouts(model, limit)]

    @router.get("/models/{model}/rollout", tags=["rollouts"])
    async def get_rollout(model: str) -> dict[str, Any]:
        """The rollout under way; else the newest."""
        async with database.transaction() as session:
            repository = Repository(session)
            row = await repository.running_rollout(model) or next(iter(await repository.rollouts(model, 1)), None)
        if row is None:
            raise NotFound(f"no version of model {model!r} was released by stages")
        return shown(row)

    @router.get("/models/{model}/versions/{version}/history", tags=["rollouts"])
    async def get_history(model: str, version: int) -> list[dict[str, Any]]:
        """What was decided of a version, and why, the oldest first."""
        async with database.transaction() as session:
            repository = Repository(session)
            await repository.version(model, version)
            return [row.model_dump() for row in await repository.history(model, version)]

    def by_hand(trigger: Trigger, summary: str) -> None:
        @router.post(
            f"/models/{{model}}/rollout:{trigger}",
            tags=["rollouts"],
            dependencies=operator,
            name=f"{trigger}_rollout",
            summary=summary,
        )
        async def move(model: str, decision: Decision) -> dict[str, Any]:
            return shown(await rollouts.by_hand(model, trigger, decision.actor, decision.reason))

    by_hand(Trigger.HOLD, "It goes on by hand alone; one that is surely worse is rolled back all the same.")
    by_hand(Trigger.RESUME, "It goes on by itself again.")
    by_hand(Trigger.PROMOTE, "The candidate takes all the traffic.")
    by_hand(Trigger.ABORT, "The candidate is withdrawn.")

    @router.get("/delivery", tags=["delivery"])
    async def get_delivery(model: str | None = None, days: Days = 30) -> dict[str, Any]:
        """The four metrics of delivery over the last `days`, of all models or of one."""
        until = datetime.now(UTC)
        async with database.transaction() as session:
            entries = await Repository(session).entries_of(model)
        return delivery(entries, until - timedelta(days=days), until).__dict__

    return router
