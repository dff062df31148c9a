"""Callers that are kept on one version."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.grpc.aio as triton_grpc
from gateway_helpers import INFER, PREDICT, ROW, v2_body
from test_grpc import client_inputs
from tidemill_dataplane import choose
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, running_gateway

USERS = [f"user-{number}" for number in range(12)]


async def two_versions(running: RunningGateway, **sticky: str) -> None:
    arms = [(1, await running.store(FakeModel(1.0)), 0.5), (2, await running.store(FakeModel(2.0)), 0.5)]
    await running.route(1, arms, **sticky)
    await running.until_epoch(1)


async def versions_by_header(http: httpx.AsyncClient, users: Iterable[str]) -> dict[str, set[str]]:
    seen: dict[str, set[str]] = {}
    for user in users:
        headers = {"x-user": user}
        answered = (await http.post(INFER, json=v2_body(), headers=headers)).json()["model_version"]
        predicted = (await http.post(PREDICT, json=ROW, headers=headers)).json()["version"]
        seen.setdefault(user, set()).update({answered, str(predicted)})
    return seen


async def versions_by_field(http: httpx.AsyncClient, users: Iterable[str]) -> dict[str, set[str]]:
    seen: dict[str, set[str]] = {}
    for user in users:
        answered = (await http.post(INFER, json=v2_body(2, carrier=user))).json()["model_version"]
        predicted = (await http.post(PREDICT, json={"instances": [{"carrier": user}, {}]})).json()["version"]
        seen.setdefault(user, set()).update({answered, str(predicted)})
    return seen


@pytest.mark.parametrize(
    ("sticky", "versions"),
    [({"sticky_header": "X-User"}, versions_by_header), ({"sticky_field": "carrier"}, versions_by_field)],
)
async def test_two_gateways_keep_a_caller_on_the_same_version(tmp_path: Path, sticky: Any, versions: Any) -> None:
    seen = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        async with running_gateway(tmp_path / name) as running:
            await two_versions(running, **sticky)
            async with httpx.AsyncClient(base_url=running.http_url) as http:
                seen.append(await versions(http, USERS * 2))
    assert all(len(of_user) == 1 for of_user in seen[0].values())
    assert set.union(*seen[0].values()) == {"1", "2"}
    assert seen[0] == seen[1]
    arms = [{"version": version, "weight": 0.5} for version in (1, 2)]
    table = {"model": "flights", "epoch": 1, "arms": arms, "mirrors": [], "sticky_header": "", "sticky_field": ""}
    assert seen[0] == {user: {str(choose(json.dumps(table), user))} for user in USERS}


async def test_a_sticky_number_is_the_same_over_every_transport(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await two_versions(running, sticky_field="distance")
    async with triton_grpc.InferenceServerClient(running.grpc_url) as client:
        for _ in range(5):
            over_grpc = (await client.infer("flights", client_inputs())).get_response().model_version
            over_rest = (await http.post(INFER, json=v2_body(distance=1000.0))).json()["model_version"]
            named = (await http.post(PREDICT, json={"instances": [{"distance": 1000}]})).json()["version"]
            assert over_grpc == over_rest == str(named)


@pytest.mark.parametrize("sticky", [{"sticky_header": "X-User"}, {"sticky_field": "carrier"}])
async def test_who_shows_nothing_to_stick_to_is_spread(
    running: RunningGateway, http: httpx.AsyncClient, sticky: Any
) -> None:
    await two_versions(running, **sticky)
    seen = {(await http.post(INFER, json=v2_body(carrier=""))).json()["model_version"] for _ in range(40)}
    assert seen == {"1", "2"}
