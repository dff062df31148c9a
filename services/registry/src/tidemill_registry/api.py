"""The registry's HTTP API: who serves and why, and the decisions of people."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from tidemill_runtime.database import Database
from tidemill_runtime.errors import NotFound
from tidemill_runtime.http import operators_only

from tidemill_registry.decisions import Decisions
from tidemill_registry.domain.routes import RouteState
from tidemill_registry.repository import Repository
from tidemill_registry.settings import RegistrySettings
from tidemill_registry.tables import VersionRow

Limit = Annotated[int, Query(ge=1, le=1000)]


class Decision(BaseModel):
    """A person's decision."""

    model_config = ConfigDict(extra="forbid")

    actor: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=2000)


def create_router(settings: RegistrySettings, database: Database, decisions: Decisions) -> APIRouter:
    """The routes under `/v1`."""
    router = APIRouter(prefix="/v1")
    operator = [Depends(operators_only(settings.operator_token))]

    @router.get("/models", tags=["models"])
    async def list_models() -> list[dict[str, Any]]:
        async with database.transaction() as session:
            return [row.model_dump() for row in await Repository(session).models()]

    @router.get("/models/{model}/versions", tags=["models"])
    async def list_versions(model: str, limit: Limit = 100) -> list[dict[str, Any]]:
        """The newest version first."""
        async with database.transaction() as session:
            return [_shown(row) for row in await Repository(session).versions(model, limit)]

    @router.get("/models/{model}/versions/{version}", tags=["models"])
    async def get_version(model: str, version: int) -> dict[str, Any]:
        async with database.transaction() as session:
            return _shown(await Repository(session).version(model, version))

    @router.get("/models/{model}/routes", tags=["routes"])
    async def get_route(model: str) -> dict[str, Any]:
        async with database.transaction() as session:
            route = await Repository(session).route(model)
        if route is None:
            raise NotFound(f"no version of model {model!r} serves")
        return _route(route)

    @router.post("/models/{model}/versions/{version}:approve", tags=["decisions"], dependencies=operator)
    async def approve(model: str, version: int, decision: Decision) -> dict[str, Any]:
        return _shown(await decisions.approve(model, version, decision.actor, decision.reason))

    @router.post("/models/{model}/versions/{version}:reject", tags=["decisions"], dependencies=operator)
    async def reject(model: str, version: int, decision: Decision) -> dict[str, Any]:
        return _shown(await decisions.reject(model, version, decision.actor, decision.reason))

    @router.post("/models/{model}:rollback", tags=["decisions"], dependencies=operator)
    async def roll_back(model: str, decision: Decision) -> dict[str, Any]:
        """The version that served before the champion serves again."""
        return _route(await decisions.roll_back(model, decision.actor, decision.reason))

    @router.get("/audit", tags=["audit"])
    async def audit(model: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """The newest entries first."""
        async with database.transaction() as session:
            return [row.model_dump() for row in await Repository(session).audit_entries(model, limit)]

    @router.get("/audit/verification", tags=["audit"])
    async def verify_audit() -> dict[str, Any]:
        """Whether every entry fits the hash chain, and the first that does not."""
        async with database.transaction() as session:
            broken = await Repository(session).first_broken_entry()
        return {"intact": broken is None, "first_broken": broken}

    return router


def _shown(row: VersionRow) -> dict[str, Any]:
    return row.model_dump(mode="json", exclude={"reference"})


def _route(route: RouteState) -> dict[str, Any]:
    candidate = route.candidate.version if route.candidate else None
    return {
        "epoch": route.epoch,
        "champion": route.champion.version,
        "fallback": route.fallback.version if route.fallback else None,
        "arms": [
            {"version": route.champion.version, "weight": 1.0 - route.share},
            *([{"version": candidate, "weight": route.share}] if route.share else []),
        ],
        "mirrors": [{"version": candidate, "fraction": route.fraction}] if route.fraction else [],
        "reason": route.reason,
    }
