"""How a route takes effect: load, prove, swap, unload; and what happens when something fails."""

import asyncio

import httpx
import pytest
from tidemill.v1.model_pb2 import Route
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, until
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import new_event

PREDICT = "/v1/models/flights:predict"
ROW = {"instances": [{"distance": 1000.0, "carrier": "UA"}]}


async def version_of(http: httpx.AsyncClient) -> int:
    response = await http.post(PREDICT, json=ROW)
    assert response.status_code == 200, response.text
    return response.json()["version"]


def state(running: RunningGateway) -> dict[str, object]:
    return running.gateway.routes.describe()["flights"]


async def test_ready_means_that_the_routes_are_read_and_served(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    assert (await http.get("/readyz")).status_code == 200
    running.reader.caught_up.clear()
    assert (await http.get("/readyz")).json()["checks"]["routes"] is False
    running.reader.caught_up.set()
    running.triton.broken.add("flights-v1")
    await running.route(1, [(1, await running.store(FakeModel()), 1.0)])
    assert (await http.get("/readyz")).json()["checks"]["models"] is False
    assert (await http.get("/v2/health/ready")).json() == {"ready": False}
    running.triton.broken.clear()
    await running.until_epoch(1)
    assert (await http.get("/readyz")).status_code == 200


async def test_a_new_route_takes_over_and_the_old_version_is_unloaded(running: RunningGateway, http) -> None:
    await running.serve(version=1, epoch=1)
    assert await version_of(http) == 1
    await running.serve(version=2, epoch=2)
    assert await version_of(http) == 2
    await until(lambda: list(running.triton.loaded) == ["flights-v2"])
    await until(lambda: not (running.settings.model_repository / "flights-v1").exists())


async def test_a_warm_version_stays_loaded(running: RunningGateway, http) -> None:
    first = await running.serve(version=1, epoch=1)
    await running.route(2, [(2, await running.store(FakeModel(1.0)), 1.0)], warm=[(1, first)])
    await running.until_epoch(2)
    loads = list(running.triton.loads)
    await running.route(3, [(1, first, 1.0)])
    await running.until_epoch(3)
    assert await version_of(http) == 1
    assert running.triton.loads == loads


async def test_an_older_route_is_never_gone_back_to(running: RunningGateway, http) -> None:
    first = await running.serve(version=1, epoch=5)
    await running.serve(version=2, epoch=6)
    await running.route(5, [(1, first, 1.0)])
    await running.route(6, [(1, first, 1.0)])
    running.gateway.routes.suspect("flights")
    assert await version_of(http) == 2
    assert state(running)["wanted_epoch"] == 6


async def test_a_version_that_does_not_load_leaves_the_old_route_serving(running: RunningGateway, http) -> None:
    await running.serve(version=1, epoch=1)
    running.triton.broken.add("flights-v2")
    await running.route(2, [(2, await running.store(FakeModel(1.0)), 1.0)])
    await until(lambda: "failed to load" in str(state(running)["failure"]))
    assert await version_of(http) == 1
    routes = (await http.get("/v1/routes")).json()["models"]["flights"]
    assert (routes["epoch"], routes["wanted_epoch"], routes["behind"]) == (1, 2, True)
    assert 'tidemill_gateway_route_behind{model="flights"} 1.0' in (await http.get("/metrics")).text
    running.triton.broken.clear()
    await running.until_epoch(2)
    assert await version_of(http) == 2


async def test_a_version_that_answers_other_than_its_golden_predictions_never_serves(
    running: RunningGateway, http
) -> None:
    await running.serve(version=1, epoch=1)
    await running.route(2, [(2, await running.store(FakeModel(2.0), golden_of=FakeModel()), 1.0)])
    await until(lambda: "golden" in str(state(running)["failure"]))
    assert await version_of(http) == 1


async def test_a_version_with_empty_outputs_never_serves(running: RunningGateway, http) -> None:
    await running.serve(version=1, epoch=1)
    await running.route(2, [(2, await running.store(FakeModel(empty_outputs=True)), 1.0)])
    await until(lambda: "0 bytes" in str(state(running)["failure"]))
    assert await version_of(http) == 1


async def test_changed_bytes_in_the_artifact_store_are_never_served(running: RunningGateway, http) -> None:
    await running.serve(version=1, epoch=1)
    digest = await running.store(FakeModel(3.0))
    stored = running.settings.model_repository.parent / "artifacts/sha256" / digest
    stored.write_bytes(stored.read_bytes().replace(b"classification", b"regression"))
    await running.route(2, [(2, digest, 1.0)])
    await until(lambda: "digest" in str(state(running)["failure"]))
    assert await version_of(http) == 1


async def test_a_broken_warm_version_does_not_keep_a_good_one_from_serving(running: RunningGateway, http) -> None:
    await running.route(1, [(2, await running.store(FakeModel()), 1.0)], warm=[(1, "0" * 64)])
    await until(lambda: state(running)["loaded"] == [2])
    assert await version_of(http) == 2
    assert state(running)["behind"] is True


async def test_a_newer_route_replaces_one_that_fails(running: RunningGateway, http) -> None:
    await running.serve(version=1, epoch=1)
    await running.route(2, [(2, "0" * 64, 1.0)])
    await until(lambda: bool(state(running)["failure"]))
    await running.serve(version=3, epoch=3)
    assert await version_of(http) == 3


async def test_models_that_the_server_lost_are_loaded_again(running: RunningGateway, http) -> None:
    await running.serve()
    running.triton.forget()
    lost = await http.post(PREDICT, json=ROW)
    assert (lost.status_code, lost.headers["retry-after"]) == (503, "1")
    await until(lambda: "flights-v1" in running.triton.loaded)
    assert await version_of(http) == 1


async def test_a_restarted_server_is_found_again(running: RunningGateway, http) -> None:
    await running.serve()
    await running.triton.stop()
    running.triton.forget()
    assert (await http.post(PREDICT, json=ROW)).status_code == 503
    await until(lambda: not running.gateway.routes.all_ready())
    await running.triton.start()
    await until(lambda: running.gateway.routes.all_ready() and "flights-v1" in running.triton.loaded)
    assert await version_of(http) == 1


async def test_a_version_with_requests_in_flight_is_unloaded_after_them(running: RunningGateway, http) -> None:
    await running.serve(version=1, epoch=1)
    second = await running.store(FakeModel(1.0))
    running.triton.gate.clear()
    slow = asyncio.create_task(version_of(http))
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 1)
    running.triton.gate.set()
    running.triton.gate.clear()
    await running.route(2, [(2, second, 1.0)])
    await until(lambda: "flights-v2" in running.triton.loaded)
    assert "flights-v1" in running.triton.loaded
    running.triton.gate.set()
    assert await slow == 1
    await until(lambda: list(running.triton.loaded) == ["flights-v2"])


async def test_no_request_fails_while_routes_swap(running: RunningGateway, http) -> None:
    digests = {number: await running.store(FakeModel(float(number))) for number in (1, 2)}
    await running.serve(version=1, epoch=1)
    stop = asyncio.Event()
    answered: list[int] = []

    async def ask() -> None:
        while not stop.is_set():
            answered.append(await version_of(http))

    callers = [asyncio.create_task(ask()) for _ in range(4)]
    for epoch in range(2, 8):
        number = 1 + epoch % 2
        await running.route(epoch, [(number, digests[number], 1.0)])
        await running.until_epoch(epoch)
        seen = len(answered)
        await until(lambda seen=seen: len(answered) > seen + 4)
    stop.set()
    await asyncio.gather(*callers)
    assert set(answered) == {1, 2}


async def test_what_an_earlier_process_left_is_cleared(running: RunningGateway) -> None:
    left = running.settings.model_repository / "flights-v7" / "1"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(FakeModel().to_onnx())
    await running.serve(version=8, epoch=9)
    await until(lambda: not left.exists())
    assert (running.settings.model_repository / "flights-v8").exists()


async def test_another_artifact_under_a_known_version_replaces_it(running: RunningGateway, http) -> None:
    await running.serve(bias=-9.0, version=1, epoch=1)
    await running.serve(bias=9.0, version=1, epoch=2)
    response = await http.post(PREDICT, json=ROW)
    assert response.json()["predictions"][0]["label"] == 1


async def test_a_route_that_makes_no_sense_is_refused(running: RunningGateway) -> None:
    with pytest.raises(InvalidInput):
        await running.reader.handler(new_event("registry", "flights", Route(model="flights", epoch=1)))
    assert running.gateway.routes.describe() == {}


async def test_sticky_callers_keep_their_version(running: RunningGateway, http) -> None:
    arms = [(1, await running.store(FakeModel(1.0)), 0.5), (2, await running.store(FakeModel(2.0)), 0.5)]
    await running.route(1, arms, sticky_header="X-User")
    await running.until_epoch(1)
    seen: dict[str, set[int]] = {}
    for user in ["a", "b", "c", "d", "e", "f"] * 3:
        response = await http.post(PREDICT, json=ROW, headers={"x-user": user})
        seen.setdefault(user, set()).add(response.json()["version"])
    assert all(len(versions) == 1 for versions in seen.values())
    assert set.union(*seen.values()) == {1, 2}
