"""How a version wants to be served: missing values, requests at once, retries."""

import asyncio

import grpc
import httpx
import pytest
from gateway_helpers import INFER, PREDICT, ROW, counted, serve_as, v2_body
from tidemill_gateway.testing.running import RunningGateway, until


async def test_a_model_that_refuses_missing_values_says_which(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, missing="refuse")
    inferences = len(running.triton.inferences)
    for path, body, field in (
        (INFER, v2_body(), "temp"),
        (PREDICT, {"instances": [{"distance": 1, "temp": 2, "carrier": "UA"}, {"distance": 1, "temp": 2}]}, "carrier"),
    ):
        response = await http.post(path, json=body)
        assert (response.status_code, f"'{field}' has a missing value" in response.json()["error"]) == (400, True)
    assert len(running.triton.inferences) == inferences
    whole = {"instances": [{"distance": 1, "temp": 2, "carrier": "UA"}]}
    assert (await http.post(PREDICT, json=whole)).status_code == 200


async def test_what_may_not_wait_is_shed(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, concurrency=1, queue=0)
    running.triton.gate.clear()
    first = asyncio.create_task(http.post(INFER, json=v2_body()))
    await until(lambda: running.triton.inferences.count("flights-v1") >= 2)
    for path, body in ((INFER, v2_body()), (PREDICT, ROW)):
        shed = await http.post(path, json=body)
        assert (shed.status_code, shed.headers["retry-after"], list(shed.json())) == (503, "1", ["error"])
    assert counted("shed_total", model="flights") == 2
    running.triton.gate.set()
    assert (await first).status_code == 200
    assert (await http.post(INFER, json=v2_body())).status_code == 200


async def test_what_may_wait_is_answered_in_turn(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, concurrency=1, queue=2)
    inferences = len(running.triton.inferences)
    running.triton.gate.clear()
    asking = [asyncio.create_task(http.post(INFER, json=v2_body())) for _ in range(3)]
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 3)
    await until(lambda: len(running.triton.inferences) == inferences + 1)
    assert (await http.post(INFER, json=v2_body())).status_code == 503
    assert len(running.triton.inferences) == inferences + 1
    running.triton.gate.set()
    assert [response.status_code for response in await asyncio.gather(*asking)] == [200] * 3


async def test_a_wait_ends_with_the_callers_time(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, concurrency=1, queue=1)
    inferences = len(running.triton.inferences)
    running.triton.gate.clear()
    first = asyncio.create_task(http.post(INFER, json=v2_body()))
    await until(lambda: len(running.triton.inferences) == inferences + 1)
    waited = await http.post(INFER, json=v2_body(), headers={"tidemill-timeout": "0.05"})
    assert waited.status_code == 504
    assert len(running.triton.inferences) == inferences + 1
    running.triton.gate.set()
    assert (await first).status_code == 200


@pytest.mark.parametrize(("path", "body"), [(INFER, v2_body()), (PREDICT, ROW)])
async def test_no_answer_is_waited_for_longer_than_the_caller_does(
    running: RunningGateway, http: httpx.AsyncClient, path: str, body: object
) -> None:
    await running.serve()
    running.triton.gate.clear()
    asking = asyncio.create_task(http.post(path, json=body, headers={"tidemill-timeout": "0.05"}))
    await until(asking.done, seconds=3)
    assert asking.result().status_code == 504


async def test_a_caller_that_goes_away_gives_its_place_up(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, concurrency=1, queue=0)
    inferences = len(running.triton.inferences)
    running.triton.gate.clear()
    asking = asyncio.create_task(http.post(INFER, json=v2_body()))
    await until(lambda: len(running.triton.inferences) == inferences + 1)
    asking.cancel()
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 0)
    running.triton.gate.set()
    assert (await http.post(INFER, json=v2_body())).status_code == 200


@pytest.mark.parametrize(("retry", "status", "tries"), [(True, 200, 2), (False, 503, 1)])
async def test_a_version_may_refuse_to_be_tried_twice(
    running: RunningGateway, http: httpx.AsyncClient, retry: bool, status: int, tries: int
) -> None:
    await serve_as(running, retry=retry)
    inferences = len(running.triton.inferences)
    running.triton.fail(grpc.StatusCode.UNAVAILABLE, times=1)
    assert (await http.post(INFER, json=v2_body())).status_code == status
    assert len(running.triton.inferences) == inferences + tries
    assert counted("retries_total", model="flights") == tries - 1
