"""Candidates, and the champion that answers in their place."""

import asyncio
import struct
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from gateway_helpers import INFER, PREDICT, ROW, candidate, counted, v2_body
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, running_gateway, until

FALLBACKS = {"model": "flights", "version": "2"}


async def logged_outcomes(running: RunningGateway, rows: int) -> dict[int, tuple[list[str], str]]:
    """Prediction ids and error of each version, once `rows` rows are logged."""
    await until(lambda: sum(len(batch.prediction_ids) for batch in running.logged()) == rows)
    return {batch.version: (list(batch.prediction_ids), batch.error) for batch in running.logged()}


class Broken:
    """A model that gives an answer of the wrong shape."""

    def run(self, inputs: Any) -> Any:
        label, probabilities = FakeModel().run(inputs)
        return [label, type(label)("probabilities", "FP32", (1, 3), probabilities.raw + struct.pack("<f", 0))]


async def failing(running: RunningGateway) -> None:
    running.triton.fail(grpc.StatusCode.INTERNAL, times=1)


async def hanging(running: RunningGateway) -> None:
    running.triton.hanging.add("flights-v2")


async def broken(running: RunningGateway) -> None:
    running.triton.loaded["flights-v2"] = Broken()


async def without_contents(running: RunningGateway) -> None:
    running.triton.loaded["flights-v2"] = FakeModel(empty_outputs=True)


async def lost(running: RunningGateway) -> None:
    running.triton.loaded.pop("flights-v2")


@pytest.mark.parametrize("path", [INFER, PREDICT])
@pytest.mark.parametrize("trouble", [failing, hanging, broken, without_contents, lost])
async def test_the_champion_answers_for_a_candidate_in_trouble(tmp_path: Path, trouble: Any, path: str) -> None:
    async with (
        running_gateway(tmp_path, candidate_seconds=0.2) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await candidate(running)
        await trouble(running)
        response = await http.post(path, json=v2_body() if path == INFER else ROW)
        assert response.status_code == 200
        body = response.json()
        assert str(body.get("model_version") or body["version"]) == "1"
        assert counted("fallbacks_total", **FALLBACKS) == 1
        protocol = "rest" if path == INFER else "predict"
        labels = {"model": "flights", "protocol": protocol, "code": "200"}
        assert counted("requests_total", version="1", **labels) == 1
        assert counted("requests_total", version="2", **labels) == 0
        outcomes = await logged_outcomes(running, rows=2)
        prediction_id = response.headers["tidemill-prediction-id"]
        assert outcomes[1] == ([prediction_id], "")
        assert outcomes[2][0] == [prediction_id]
        assert outcomes[2][1]
        running.triton.release()


async def test_a_candidate_that_works_is_not_fallen_back_from(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await candidate(running)
    assert (await http.post(INFER, json=v2_body())).json()["model_version"] == "2"
    assert counted("fallbacks_total", **FALLBACKS) == 0
    assert await logged_outcomes(running, rows=1) == {2: ([running.logged()[0].prediction_ids[0]], "")}


async def test_a_slow_candidate_gets_a_share_of_the_callers_time_only(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await candidate(running)
    running.triton.hanging.add("flights-v2")
    response = await http.post(INFER, json=v2_body(), headers={"tidemill-timeout": "0.4"})
    assert (response.status_code, response.json()["model_version"]) == (200, "1")
    running.triton.release()


async def test_a_pinned_request_does_not_fall_back(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await candidate(running)
    running.triton.fail(grpc.StatusCode.INTERNAL, times=1)
    response = await http.post("/v2/models/flights/versions/2/infer", json=v2_body())
    assert response.status_code == 500
    assert counted("fallbacks_total", **FALLBACKS) == 0
    outcomes = await logged_outcomes(running, rows=1)
    assert outcomes[2][1]


async def test_a_champion_has_nothing_to_fall_back_to(running: RunningGateway, http: httpx.AsyncClient) -> None:
    first, second = await running.store(FakeModel(-9.0)), await running.store(FakeModel(9.0))
    await running.route(1, [(1, first, 1.0), (2, second, 1e-12)])
    await running.until_epoch(1)
    running.triton.fail(grpc.StatusCode.INTERNAL, times=1)
    assert (await http.post(INFER, json=v2_body())).status_code == 500
    assert counted("fallbacks_total", model="flights", version="1") == 0


async def test_when_both_fail_the_champions_error_is_told(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await candidate(running)
    running.triton.fail(grpc.StatusCode.INTERNAL, times=2)
    response = await http.post(INFER, json=v2_body())
    assert (response.status_code, list(response.json())) == (500, ["error"])
    outcomes = await logged_outcomes(running, rows=2)
    assert all(error for _, error in outcomes.values())


async def test_a_candidate_that_hangs_again_and_again_does_not_cost_the_champions_answers(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path, candidate_seconds=0.05) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await candidate(running)
        running.triton.hanging.add("flights-v2")
        statuses = [(await http.post(INFER, json=v2_body())).status_code for _ in range(20)]
        assert statuses == [200] * 20
        running.triton.release()


async def test_many_callers_of_a_hanging_candidate_are_all_answered(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path, candidate_seconds=0.2) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await candidate(running)
        running.triton.hanging.add("flights-v2")
        responses = await asyncio.gather(*(http.post(INFER, json=v2_body()) for _ in range(20)))
        assert [response.status_code for response in responses] == [200] * 20
        running.triton.release()


async def test_mirrors_that_hang_do_not_cost_an_answer(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path, infer_seconds=0.3) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        primary, mirror = await running.store(FakeModel(-9.0)), await running.store(FakeModel(9.0))
        await running.route(1, [(1, primary, 1.0)], mirrors=[(2, mirror, 1.0)])
        await running.until_epoch(1)
        running.triton.hanging.add("flights-v2")
        asked = await asyncio.gather(*(http.post(INFER, json=v2_body()) for _ in range(10)))
        await until(lambda: counted("mirror_drops_total", model="flights", cause="failed") == 10)
        asked.append(await http.post(INFER, json=v2_body()))
        assert [response.status_code for response in asked] == [200] * 11
        running.triton.release()


async def test_a_version_that_hangs_does_not_shut_others_out(running: RunningGateway, http: httpx.AsyncClient) -> None:
    first, second = await running.store(FakeModel(-9.0)), await running.store(FakeModel(9.0))
    await running.route(1, [(1, first, 1.0)], warm=[(2, second)])
    await running.until_epoch(1)
    running.triton.hanging.add("flights-v2")
    pinned = "/v2/models/flights/versions/2/infer"
    hung = await asyncio.gather(
        *(http.post(pinned, json=v2_body(), headers={"tidemill-timeout": "0.1"}) for _ in range(10))
    )
    assert {response.status_code for response in hung} == {504}
    assert (await http.post(INFER, json=v2_body())).status_code == 200
    running.triton.release()
