"""Stopping: what has been taken is answered and logged."""

import asyncio
from pathlib import Path

import httpx
import tritonclient.grpc.aio as triton_grpc
from test_grpc import client_inputs
from tidemill_gateway.testing.running import running_gateway, until

PREDICT = "/v1/models/flights:predict"
ROW = {"instances": [{"distance": 1000.0, "carrier": "UA"}]}


async def test_requests_in_flight_are_answered_and_logged(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as running:
        await running.serve()
        running.triton.gate.clear()
        async with (
            httpx.AsyncClient(base_url=running.http_url) as http,
            triton_grpc.InferenceServerClient(running.grpc_url) as client,
        ):
            rest = asyncio.create_task(http.post(PREDICT, json=ROW))
            grpc = asyncio.create_task(client.infer("flights", client_inputs()))
            await until(lambda: running.gateway.plane.in_flight("flights", 1) == 2)
            stopping = asyncio.create_task(running.gateway.listeners.stop())
            await until(lambda: not running.gateway.listeners.accepting)
            running.triton.gate.set()
            assert (await rest).status_code == 200
            assert (await grpc).as_numpy("label").shape == (1, 1)
            await stopping
        await running.gateway.log.stop()
        assert sum(len(batch.prediction_ids) for batch in running.logged()) == 2


async def test_busy_clients_see_no_failure_before_the_listener_closes(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, linger_seconds=0.3) as running:
        await running.serve()
        statuses: list[int] = []

        async def ask() -> None:
            async with httpx.AsyncClient(base_url=running.http_url) as http:
                while running.gateway.listeners.accepting:
                    statuses.append((await http.post(PREDICT, json=ROW)).status_code)
                response = await http.post(PREDICT, json=ROW)
                statuses.append(response.status_code)
                assert response.headers["connection"] == "close"

        callers = [asyncio.create_task(ask()) for _ in range(3)]
        await until(lambda: len(statuses) > 10)
        stopping = asyncio.create_task(running.gateway.listeners.stop())
        await asyncio.gather(*callers)
        assert (await running.gateway.readiness())["accepting"] is False
        await stopping
        assert set(statuses) == {200}
