"""What the trainer shows: its runs, newest first, and each with its curves."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlmodel import col, select
from tidemill.v1.training_pb2 import TrainingCause
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.database import Database
from tidemill_runtime.errors import NotFound

from tidemill_trainer.tables import RunRow

MAX_REPORT_BYTES = 16 << 20


def create_router(database: Database, artifacts: ArtifactStore) -> APIRouter:
    """`GET /v1/runs` and `GET /v1/runs/{id}`."""
    router = APIRouter(prefix="/v1", tags=["runs"])

    @router.get("/runs")
    async def runs(
        pipeline: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> list[dict[str, Any]]:
        newest = select(RunRow).order_by(col(RunRow.queued_at).desc()).limit(limit)
        if pipeline is not None:
            newest = newest.where(RunRow.pipeline == pipeline)
        async with database.transaction() as session:
            rows = (await session.exec(newest)).all()
        return [_summary(row) for row in rows]

    @router.get("/runs/{run_id}")
    async def run(run_id: str) -> dict[str, Any]:
        async with database.transaction() as session:
            row = await session.get(RunRow, run_id)
        if row is None:
            raise NotFound(f"no run {run_id}")
        if row.report_digest is None:
            return {**_summary(row), "report": None}
        return {**_summary(row), "report": json.loads(await artifacts.get(row.report_digest, MAX_REPORT_BYTES))}

    return router


def _summary(row: RunRow) -> dict[str, Any]:
    return {**row.model_dump(mode="json"), "cause": TrainingCause.Name(row.cause)}
