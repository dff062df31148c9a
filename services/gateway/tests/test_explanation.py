"""What each field contributes to an answer."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_helpers import PREDICT, candidate, counted, probability, serve_as
from tidemill_gateway.testing.running import RunningGateway, running_gateway, until

ROWS: list[dict[str, Any]] = [
    {"distance": 2000.0, "temp": 15.0, "carrier": "UA"},
    {"distance": 500.0, "temp": None, "carrier": "B6"},
    {},
]


async def explained(http: httpx.AsyncClient, rows: list[dict[str, Any]] = ROWS) -> dict[str, Any]:
    response = await http.post(PREDICT, json={"instances": rows, "explain": True})
    assert response.status_code == 200, response.text
    return response.json()


def contribution(row: dict[str, Any], field: str, bias: float = 0.0) -> float:
    """What the field adds to the fake model's P(1)."""
    usual = {"distance": None, "temp": None, "carrier": ""}
    return probability(bias, **{**usual, **row}) - probability(bias, **{**usual, **row, field: usual[field]})


async def test_each_field_contributes_what_the_answer_loses_without_it(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await running.serve(bias=-3.0)
    body = await explained(http)
    assert len(body["explanations"]) == len(body["predictions"]) == 3
    for row, explanation in zip(ROWS, body["explanations"], strict=True):
        assert list(explanation) == ["probabilities"]
        assert set(explanation["probabilities"]) == {"distance", "temp", "carrier"}
        for field, (first, second) in explanation["probabilities"].items():
            expected = contribution(row, field, bias=-3.0)
            assert second == pytest.approx(expected, abs=1e-6)
            assert first == pytest.approx(-expected, abs=1e-6)


async def test_an_answer_is_explained_only_where_it_is_asked_for(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await running.serve()
    for body in ({"instances": ROWS}, {"instances": ROWS, "explain": False}):
        response = await http.post(PREDICT, json=body)
        assert (response.status_code, "explanations" in response.json()) == (200, False)
    for wrong in ("yes", 1, None):
        response = await http.post(PREDICT, json={"instances": ROWS, "explain": wrong})
        assert (response.status_code, "explain" in response.json()["error"]) == (400, True)


async def test_what_explains_an_answer_is_neither_logged_nor_copied(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    digest = await serve_as(running)
    await running.route(2, [(1, digest, 1.0)], mirrors=[(2, digest, 1.0)])
    await running.until_epoch(2)
    body = await explained(http)
    await until(lambda: counted("mirrored_total", model="flights", version="2") > 0)
    await running.gateway.log.stop()
    prediction_id = body["prediction_id"]
    logged = [(batch.version, row) for batch in running.logged() for row in batch.prediction_ids]
    assert sorted(logged) == [(version, f"{prediction_id}:{row}") for version in (1, 2) for row in range(3)]
    assert counted("mirrored_total", model="flights", version="2") == 1


async def test_one_request_is_counted_once(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    await explained(http)
    assert counted("requests_total", model="flights", version="1", protocol="predict", code="200") == 1


async def test_the_version_that_answered_is_explained(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await candidate(running)
    row = {"distance": 1000.0, "temp": 80.0, "carrier": ""}
    body = await explained(http, [row])
    assert body["version"] == 2
    for field, (_, second) in body["explanations"][0]["probabilities"].items():
        assert second == pytest.approx(contribution(row, field, bias=9.0), abs=1e-6)


async def test_a_cached_answer_is_explained(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await serve_as(running, cache={"entries": 10, "ttl": 60})
    first, second = await explained(http), await explained(http)
    assert first["explanations"] == second["explanations"]


async def test_as_many_rows_are_explained_as_are_predicted(tmp_path: Path) -> None:
    async with (
        running_gateway(tmp_path, max_rows=2) as running,
        httpx.AsyncClient(base_url=running.http_url) as http,
    ):
        await running.serve()
        body = await explained(http, ROWS[:2])
        assert len(body["explanations"]) == 2


async def test_a_request_that_cannot_be_explained_is_refused_before_it_is_predicted(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await serve_as(running, missing="refuse")
    response = await http.post(PREDICT, json={"instances": ROWS[:1], "explain": True})
    assert response.status_code == 400
    await running.gateway.log.flush()
    assert running.logged() == []
