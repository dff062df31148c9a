from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tidemill_contracts import topics
from tidemill_monitor.evaluation import EvaluationStage
from tidemill_monitor.http import make_app
from tidemill_runtime.testing import FakeProducer

DAYS = 12


@pytest.fixture
async def stage(make: Any) -> EvaluationStage:
    stage = EvaluationStage(make.catalogue(), make.log(), FakeProducer(), 1)
    stage.assign({0: []})
    for day in range(DAYS):
        partial = make.window_partial(day, shift=2.0 if day > 5 else 0.0, loss=0.5, watermark_day=day + 1)
        await stage.on_partial(make.message(topics.MONITOR_WINDOWS, partial.SerializeToString(), day))
        await stage.flush()
    return stage


@pytest.fixture
async def client(make: Any, stage: EvaluationStage) -> AsyncIterator[httpx.AsyncClient]:
    async def readiness() -> dict[str, bool]:
        return {"partitions": True}

    app = make_app(stage, make.catalogue(), readiness)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://monitor") as client:
        yield client


async def test_windows_are_listed_the_newest_first(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models/tide/windows", params={"limit": 3})).json()
    assert [window["closed"] for window in body["windows"]] == [False, True, True]
    assert body["windows"][0]["end"] == body["watermark"]
    assert body["windows"][1]["predictions"] == 400
    assert body["windows"][1]["metrics"]["log_loss"] == pytest.approx(0.5, abs=0.05)


async def test_alarms_come_with_their_evidence(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models/tide/drift")).json()
    assert body["alarms"][0]["kind"] == "DRIFT_KIND_INPUT"
    assert body["alarms"][0]["evidence"][0]["subject"] == "x"


async def test_performance_stands_beside_its_promise(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/models/tide/performance")).json()
    assert body["version"] == 1
    assert body["metrics"]["log_loss"]["promised"] == 0.5
    assert body["metrics"]["log_loss"]["mean"] == pytest.approx(0.5, abs=0.05)
    assert body["metrics"]["log_loss"]["standard_error"] > 0


@pytest.mark.parametrize("path", ["windows", "drift", "performance"])
async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/v1/models/nothing/{path}")
    assert answer.status_code == 404
    assert "there are tide" in answer.json()["error"]


async def test_a_senseless_limit_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models/tide/windows", params={"limit": 0})).status_code == 400


async def test_metrics_tell_versions_apart_only_for_the_one_that_answers(
    make: Any, stage: EvaluationStage, client: httpx.AsyncClient
) -> None:
    for day in range(DAYS, DAYS + 8):
        partial = make.window_partial(day, version=2, loss=0.5, watermark_day=day + 1)
        await stage.on_partial(make.message(topics.MONITOR_WINDOWS, partial.SerializeToString(), day))
        await stage.flush()
    lines = (await client.get("/metrics")).text.splitlines()
    effects = [line for line in lines if line.startswith("tidemill_monitor_drift_effect_ratio{")]
    assert len(effects) == 2
    assert all('version="2"' in line for line in effects)
