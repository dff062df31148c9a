"""Mirrors: copies off the request path, dropped and counted rather than waited for."""

from pathlib import Path

import httpx
from prometheus_client import REGISTRY
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, ARM_ROLE_PRIMARY
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, running_gateway, until

PREDICT = "/v1/models/flights:predict"
ROW = {"instances": [{"distance": 1000.0, "carrier": "UA"}]}


def drops(cause: str) -> float:
    labels = {"model": "flights", "cause": cause}
    return REGISTRY.get_sample_value("tidemill_gateway_mirror_drops_total", labels) or 0.0


async def mirrored(running: RunningGateway) -> None:
    primary, mirror = await running.store(FakeModel(-9.0)), await running.store(FakeModel(9.0))
    await running.route(1, [(1, primary, 1.0)], mirrors=[(2, mirror, 1.0)])
    await running.until_epoch(1)


async def test_a_mirrors_answer_is_logged_and_never_returned(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await mirrored(running)
    response = await http.post(PREDICT, json=ROW)
    assert response.json()["version"] == 1
    await until(lambda: len(running.logged()) == 2)
    logged = {batch.role: batch for batch in running.logged()}
    assert logged[ARM_ROLE_PRIMARY].prediction_ids == logged[ARM_ROLE_MIRROR].prediction_ids
    assert logged[ARM_ROLE_PRIMARY].event_times == logged[ARM_ROLE_MIRROR].event_times
    assert (logged[ARM_ROLE_MIRROR].version, list(logged[ARM_ROLE_MIRROR].outputs[0].numbers.values)) == (2, [1.0])


async def test_a_failing_mirror_is_counted_and_logged_and_does_not_touch_the_answer(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await mirrored(running)
    running.triton.loaded["flights-v2"] = FakeModel(empty_outputs=True)
    before = drops("failed")
    assert (await http.post(PREDICT, json=ROW)).status_code == 200
    await until(lambda: drops("failed") == before + 1)
    await until(lambda: any(batch.error for batch in running.logged()))


async def test_copies_that_find_the_queue_full_are_dropped(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, mirror_requests=1) as running:
        await mirrored(running)
        before = drops("queue_full")
        running.triton.hanging.add("flights-v2")
        async with httpx.AsyncClient(base_url=running.http_url) as http:
            for _ in range(8):
                assert (await http.post(PREDICT, json=ROW)).status_code == 200
        assert drops("queue_full") - before >= 1
        running.triton.release()


async def test_a_pinned_request_is_not_copied(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await mirrored(running)
    inferences = len(running.triton.inferences)
    inputs = [
        {"name": "distance", "datatype": "FP32", "shape": [1, 1], "data": [1.0]},
        {"name": "temp", "datatype": "FP32", "shape": [1, 1], "data": [1.0]},
        {"name": "carrier", "datatype": "BYTES", "shape": [1, 1], "data": ["UA"]},
    ]
    response = await http.post("/v2/models/flights/versions/2/infer", json={"inputs": inputs})
    assert response.json()["model_version"] == "2"
    await running.gateway.log.flush()
    assert running.triton.inferences[inferences:] == ["flights-v2"]
