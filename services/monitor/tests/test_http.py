"""What people are told over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from simulated import World
from tidemill_contracts import topics
from tidemill_monitor.evaluation import EvaluationStage
from tidemill_monitor.http import Models, make_app
from tidemill_runtime.testing import FakeProducer

DAYS = 12
SHIFTED = 6


@pytest.fixture(scope="module")
def stage(make: Any) -> EvaluationStage:
    world = World(settings={"slices": ["c"], "staleness": {"model": "90d"}})
    stage = EvaluationStage(world.catalogue, make.log(), FakeProducer(), 1)
    stage.assign({0: []})
    asyncio.run(feed(make, stage, world, range(4 * SHIFTED)))
    asyncio.run(feed(make, stage, world, range(4 * SHIFTED, 4 * DAYS), shift=1.0))
    return stage


async def feed(make: Any, stage: EvaluationStage, world: World, panes: range, **options: Any) -> None:
    for number in panes:
        partial = world.pane(number, **options)
        await stage.on_partial(make.message(topics.MONITOR_WINDOWS, partial.SerializeToString(), number))
    await stage.flush()


@pytest.fixture
async def client(stage: EvaluationStage) -> AsyncIterator[httpx.AsyncClient]:
    async def readiness() -> dict[str, bool]:
        return {"partitions": True}

    app = make_app(Models(stage, stage._catalogue), stage._catalogue, readiness)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://monitor") as client:
        yield client


async def get(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(f"/v1/models/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_health_says_what_each_monitor_says(client: httpx.AsyncClient) -> None:
    body = await get(client, "tide/health")
    assert (body["version"], body["state"]) == (1, "degraded")
    assert body["monitors"]["input"]["state"] == "alarm"
    assert body["monitors"]["input"]["subject"] == "x0"
    assert body["monitors"]["input"]["since"] == "2011-02-01T00:00:00+00:00"
    assert body["monitors"]["performance"]["state"] == "ok"
    assert body["monitors"]["detector"] == {"state": "off"}
    assert body["ages_seconds"]["model"] == (10 + DAYS - 1) * 86400
    assert body["silent_seconds"] >= 0


async def test_a_healthy_model_is_said_to_be(make: Any) -> None:
    world = World()
    stage = EvaluationStage(world.catalogue, make.log(), FakeProducer(), 1)
    stage.assign({0: []})
    models = Models(stage, world.catalogue)

    async def readiness() -> dict[str, bool]:
        return {}

    app = make_app(models, world.catalogue, readiness)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://monitor") as client:
        for number in range(16):
            await feed(make, stage, world, range(number, number + 1))
            state = (await get(client, "tide/health"))["state"]
            assert state == ("unknown" if number < 4 else "healthy")


async def test_alarms_are_listed_the_newest_first_without_their_distributions(client: httpx.AsyncClient) -> None:
    alarms = (await get(client, "tide/drift"))["alarms"]
    assert alarms == sorted(alarms, key=lambda one: one["until"], reverse=True)
    whole = next(one for one in alarms if one["kind"] == "DRIFT_KIND_INPUT" and not one["slice"])
    assert whole["published"]
    assert whole["evidence"][0]["subject"] == "x0"
    assert "then" not in whole["evidence"][0]
    assert len((await get(client, "tide/drift", limit=1))["alarms"]) == 1


async def test_an_alarm_alone_comes_with_its_distributions(client: httpx.AsyncClient) -> None:
    alarms = (await get(client, "tide/drift", slice=""))["alarms"]
    whole = next(one for one in alarms if one["kind"] == "DRIFT_KIND_INPUT")
    alarm = await get(client, f"tide/drift/{whole['id']}")
    evidence = alarm["evidence"][0]
    assert len(evidence["then"]["numeric"]["counts"]) == len(evidence["now"]["numeric"]["counts"])
    assert sum(map(int, evidence["then"]["numeric"]["counts"])) == 20_000


async def test_alarms_can_be_asked_for_by_slice(client: httpx.AsyncClient) -> None:
    sliced = (await get(client, "tide/drift", slice="c=a"))["alarms"]
    assert {one["slice"] for one in sliced} <= {"c=a"}


async def test_performance_stands_beside_its_promise_and_its_estimate(client: httpx.AsyncClient) -> None:
    body = await get(client, "tide/performance")
    mature = [one for one in body["by_prediction_time"] if one["mature"]]
    loss = mature[-1]["metrics"]["log_loss"]
    assert loss["promised"] == pytest.approx(0.5413, abs=1e-4)
    assert loss["mean"] == pytest.approx(0.54, abs=0.1)
    assert loss["estimated"]["low"] < loss["mean"] < loss["estimated"]["high"]
    assert loss["estimated"]["agreement"] > 0.001
    assert body["by_prediction_time"][0]["mature"] is False
    assert body["by_label_time"][0]["labelled"] == 100
    assert body["by_label_time"][0]["metrics"]["log_loss"] > 0


async def test_performance_of_a_slice_counts_its_rows(client: httpx.AsyncClient) -> None:
    whole = await get(client, "tide/performance")
    parts = [await get(client, "tide/performance", slice=f"c={value}") for value in "abc"]
    assert sum(part["by_prediction_time"][0]["predictions"] for part in parts) == 400
    assert whole["by_prediction_time"][0]["predictions"] == 400


async def test_windows_tell_the_effect_on_each_feature(client: httpx.AsyncClient) -> None:
    body = await get(client, "tide/windows", limit=3)
    assert len(body["windows"]) == 3
    newest = body["windows"][0]
    assert newest["start"] == "2011-02-05T00:00:00+00:00"
    assert newest["rows"] == 400
    found = {one["monitor"]: one for one in newest["findings"] if not one["slice"]}
    assert set(found["input"]["subjects"]) == {"x0", "x1", "x2", "x3", "c"}
    assert found["input"]["subjects"]["x0"]["effect"] > 0.3 > found["input"]["subjects"]["x1"]["effect"]
    assert body["open"]["rows"] == 400
    sliced = await get(client, "tide/windows", slice="c=a")
    assert {one["slice"] for one in sliced["windows"][0]["findings"]} == {"c=a"}


@pytest.mark.parametrize("path", ["health", "drift", "drift/1", "performance", "windows"])
async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/v1/models/nothing/{path}")
    assert answer.status_code == 404
    assert "there are tide" in answer.json()["error"]


async def test_an_unknown_alarm_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/models/tide/drift/none")
    assert answer.status_code == 404
    assert "no alarm none of model 'tide'" in answer.json()["error"]


async def test_a_senseless_limit_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models/tide/windows", params={"limit": 0})).status_code == 400


async def test_paths_are_described(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {path for path in paths if path.startswith("/v1")} == {
        "/v1/models/{name}/health",
        "/v1/models/{name}/drift",
        "/v1/models/{name}/drift/{alarm_id}",
        "/v1/models/{name}/performance",
        "/v1/models/{name}/windows",
    }


async def test_metrics_tell_versions_apart_only_for_the_one_that_answers(
    make: Any, stage: EvaluationStage, client: httpx.AsyncClient
) -> None:
    world = World(settings={"slices": ["c"]})
    await feed(make, stage, world, range(4 * DAYS, 4 * DAYS + 16), version=2)
    lines = (await client.get("/metrics")).text.splitlines()
    effects = [line for line in lines if line.startswith("tidemill_monitor_drift_effect_ratio{")]
    assert len(effects) == 5
    assert all('version="2"' in line for line in effects)
    assert any(line.startswith('tidemill_monitor_state{model="tide",monitor="input"}') for line in lines)
