"""Answers from the cache."""

import asyncio

import grpc
import httpx
import tritonclient.grpc.aio as triton_grpc
from gateway_helpers import INFER, PREDICT, ROW, candidate, counted, serve_as, v2_body
from test_grpc import client_inputs
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway


async def test_an_equal_request_is_answered_from_the_cache(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, bias=-3.0, cache={"entries": 10, "ttl": 60})
    inferences = len(running.triton.inferences)
    first = await http.post(INFER, json=v2_body())
    second = await http.post(INFER, json=v2_body())
    other = await http.post(INFER, json=v2_body(distance=9000))
    assert "tidemill-cache" not in first.headers
    assert second.headers["tidemill-cache"] == "hit"
    assert "tidemill-cache" not in other.headers
    assert second.json()["outputs"] == first.json()["outputs"] != other.json()["outputs"]
    assert len(running.triton.inferences) == inferences + 2
    assert counted("cache_total", model="flights", outcome="hit") == 1
    assert counted("cache_total", model="flights", outcome="miss") == 2


async def test_every_transport_uses_the_cache(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, bias=-3.0, cache={"entries": 10, "ttl": 60})
    inferences = len(running.triton.inferences)
    first = await http.post(PREDICT, json=ROW)
    async with triton_grpc.InferenceServerClient(running.grpc_url) as client:
        result = await client.infer("flights", client_inputs())
    second = await http.post(INFER, json=v2_body(outputs=[{"name": "probabilities"}]))
    assert len(running.triton.inferences) == inferences + 1
    assert first.json()["predictions"][0]["probabilities"] == result.as_numpy("probabilities").tolist()[0]
    assert second.headers["tidemill-cache"] == "hit"
    assert [output["data"] for output in second.json()["outputs"]] == [[0.5, 0.5]]


async def test_an_answer_from_the_cache_is_a_prediction_of_its_own(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await serve_as(running, cache={"entries": 10, "ttl": 60})
    made = [(await http.post(INFER, json=v2_body())).headers["tidemill-prediction-id"] for _ in range(3)]
    assert len(set(made)) == 3
    await running.gateway.log.flush()
    logged = [(row, batch.outputs[0].name) for batch in running.logged() for row in batch.prediction_ids]
    assert sorted(logged) == [(prediction_id, "label") for prediction_id in sorted(made)]


async def test_a_cache_is_by_version(running: RunningGateway, http: httpx.AsyncClient) -> None:
    first = await serve_as(running, bias=-9.0, cache={"entries": 10, "ttl": 60})
    assert (await http.post(INFER, json=v2_body())).json()["outputs"][0]["data"] == [0]
    second = await running.store(FakeModel(9.0), serving={"cache": {"entries": 10, "ttl": 60}})
    await running.route(2, [(2, second, 1.0)], warm=[(1, first)])
    await running.until_epoch(2)
    changed = await http.post(INFER, json=v2_body())
    assert (changed.json()["outputs"][0]["data"], changed.headers.get("tidemill-cache")) == ([1], None)
    pinned = await http.post("/v2/models/flights/versions/1/infer", json=v2_body())
    assert (pinned.json()["outputs"][0]["data"], pinned.headers.get("tidemill-cache")) == ([0], "hit")


async def test_another_artifact_of_the_same_version_has_another_cache(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await serve_as(running, bias=-9.0, cache={"entries": 10, "ttl": 60})
    assert (await http.post(INFER, json=v2_body())).json()["outputs"][0]["data"] == [0]
    await serve_as(running, bias=9.0, epoch=2, cache={"entries": 10, "ttl": 60})
    assert (await http.post(INFER, json=v2_body())).json()["outputs"][0]["data"] == [1]


async def test_a_cached_answer_expires(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, cache={"entries": 10, "ttl": 0.05})
    inferences = len(running.triton.inferences)

    async def asked_again() -> bool:
        await http.post(INFER, json=v2_body())
        return len(running.triton.inferences) == inferences + 2

    async with asyncio.timeout(10):
        while not await asked_again():
            pass


async def test_the_least_recently_used_answer_makes_room(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, cache={"entries": 2, "ttl": 60})
    hits = []
    for distance in (1, 2, 1, 3, 1, 2):
        response = await http.post(INFER, json=v2_body(distance=distance))
        hits.append("tidemill-cache" in response.headers)
    assert hits == [False, False, True, False, True, False]


async def test_a_failure_is_not_cached(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, cache={"entries": 10, "ttl": 60})
    running.triton.fail(grpc.StatusCode.INTERNAL, times=1)
    assert (await http.post(INFER, json=v2_body())).status_code == 500
    assert (await http.post(INFER, json=v2_body())).status_code == 200


async def test_a_champions_answer_is_not_cached_for_the_candidate(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await candidate(running, cache={"entries": 10, "ttl": 60})
    running.triton.fail(grpc.StatusCode.INTERNAL, times=1)
    versions = [(await http.post(INFER, json=v2_body())).json()["model_version"] for _ in range(3)]
    assert versions == ["1", "2", "2"]
