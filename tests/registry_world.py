"""A pipeline of rides for the registry, what its trainer tells, and the registry's HTTP API."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts.pipeline import PipelineFile
from tidemill_registry.settings import RegistrySettings
from tidemill_runtime.events import Event, new_event
from tidemill_runtime.http import create_app

MODEL = "rides"
PERSON = {"actor": "ada", "reason": "looked at it"}
TOKEN = "k3Jx9-vQ2mZ7pW"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}


def pipeline(**parts: Any) -> PipelineFile:
    """The rides' pipeline, with these parts of the file over its own."""
    fields = {"at": {"type": "timestamp"}, "distance": {"type": "float"}}
    file = {
        "path": Path("pipeline.yaml"),
        "apiVersion": "tidemill/v1",
        "name": MODEL,
        "model": MODEL,
        "task": "classification",
        "sources": {MODEL: {"event_time": "at", "fields": fields}},
        "primary": MODEL,
        "label": {"name": "late", "delay": "2d", "classes": 2},
        "features": ["distance"],
        "seed": 1,
        "training_code": "training.py",
        "candidates": [{"name": "only", "algorithm": "constant"}],
        "metrics": ["auc", "log_loss"],
        "primary_metric": "auc",
    }
    return PipelineFile.model_validate({**file, **parts})


def trained(metrics: Mapping[str, float], algorithm: str = "constant") -> Event[ModelTrained]:
    """Another model of the rides, with these metrics on its test rows."""
    data = ModelTrained(run_id=uuid.uuid4().hex, pipeline=MODEL, model=MODEL, artifact_digest=uuid.uuid4().hex * 2)
    data.winner.name, data.winner.algorithm = "only", algorithm
    data.winner.test_metrics.update(metrics)
    data.lineage.data_version = 3
    return new_event("trainer", MODEL, data)


def guarded() -> RegistrySettings:
    """Settings whose operators are known by `TOKEN`."""
    return RegistrySettings(operator_token=TOKEN)


@asynccontextmanager
async def api(*routers: APIRouter) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the registry's HTTP API."""

    async def readiness() -> dict[str, bool]:
        return {}

    app = create_app("registry", readiness)
    for router in routers:
        app.include_router(router)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry/v1") as client:
        yield client
