"""Units: by what each request's arm was chosen, as the prediction log says it."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import grpc
import httpx
import pytest
from gateway_helpers import INFER, candidate, v2_body
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, PredictionBatch
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, until

PINNED = "/v2/models/flights/versions/{}/infer"


async def two_arms(running: RunningGateway, *, sticky_header: str = "", **serving: Any) -> None:
    digests = [await running.store(FakeModel(bias), serving=serving) for bias in (1.0, 2.0)]
    arms = [(version, digest, 0.5) for version, digest in enumerate(digests, 1)]
    await running.route(1, arms, sticky_header=sticky_header)
    await running.until_epoch(1)


async def ask(http: httpx.AsyncClient, path: str = INFER, rows: int = 1, user: str = "") -> str:
    """A prediction; its id."""
    response = await http.post(path, json=v2_body(rows), headers={"x-user": user} if user else {})
    assert response.status_code == 200, response.text
    return response.headers["tidemill-prediction-id"]


async def logged(running: RunningGateway, rows: int) -> list[PredictionBatch]:
    """All that is logged, once it has `rows` rows."""
    await until(lambda: sum(len(batch.prediction_ids) for batch in running.logged()) == rows)
    return running.logged()


def units(batches: Iterable[PredictionBatch]) -> dict[str, set[int]]:
    """The units of the rows of each prediction, 0 for none."""
    found: dict[str, set[int]] = defaultdict(set)
    for batch in batches:
        assert len(batch.units) in (0, len(batch.prediction_ids))
        of_rows = batch.units or [0] * len(batch.prediction_ids)
        for row_id, unit in zip(batch.prediction_ids, of_rows, strict=True):
            found[row_id.partition(":")[0]].add(unit)
    return found


def unit_of(key: str) -> int:
    """The unit of a key of the model flights, as anyone can compute it."""
    return int.from_bytes(hashlib.blake2b(f"unit\0flights\0{key}\0".encode(), digest_size=8).digest(), "big")


async def test_all_rows_of_a_caller_have_one_unit_and_callers_differ(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await two_arms(running, sticky_header="X-User")
    users = [f"user-{number}" for number in range(8)]
    made = {user: [await ask(http, user=user), await ask(http, rows=3, user=user)] for user in users}
    batches = await logged(running, rows=4 * len(users))
    assert {batch.version for batch in batches} == {1, 2}
    found = units(batches)
    of_users = {user: set.union(*(found[one] for one in predictions)) for user, predictions in made.items()}
    assert of_users == {user: {unit_of(user)} for user in users}
    assert len(set.union(*of_users.values())) == len(users)


async def test_who_shows_nothing_to_stick_to_has_the_unit_of_the_prediction_id(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await two_arms(running)
    made = [await ask(http, rows=2) for _ in range(4)]
    assert units(await logged(running, rows=8)) == {one: {unit_of(one)} for one in made}


async def test_a_pinned_request_has_no_unit_beside_those_that_were_chosen(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await two_arms(running, sticky_header="X-User")
    pinned = [await ask(http, PINNED.format(version), user="alice") for version in (1, 2)]
    chosen = await ask(http, user="alice")
    expected = {one: {0} for one in pinned} | {chosen: {unit_of("alice")}}
    assert units(await logged(running, rows=3)) == expected


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 0.0)])
async def test_an_arm_that_is_alone_with_weight_has_no_units(
    running: RunningGateway, http: httpx.AsyncClient, weights: tuple[float, ...]
) -> None:
    digest = await running.store(FakeModel())
    await running.route(1, [(version, digest, weight) for version, weight in enumerate(weights, 1)])
    await running.until_epoch(1)
    await ask(http, rows=3)
    assert all(not batch.units for batch in await logged(running, rows=3))


async def test_a_candidate_that_fails_has_the_unit_and_the_champion_in_its_place_none(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await candidate(running)
    running.triton.fail(grpc.StatusCode.INTERNAL, times=1)
    prediction_id = await ask(http, rows=2)
    batches = await logged(running, rows=4)
    assert units(batch for batch in batches if batch.version == 2 and batch.error) == {
        prediction_id: {unit_of(prediction_id)}
    }
    assert units(batch for batch in batches if batch.version == 1) == {prediction_id: {0}}


async def test_a_candidate_that_takes_other_inputs_leaves_a_row_without_columns(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await candidate(running, missing="refuse", log={"hash": ["carrier"]})
    prediction_id = await ask(http, rows=2)
    batches = await logged(running, rows=4)
    refused = [batch for batch in batches if batch.version == 2]
    assert {batch.error for batch in refused} == {"takes other inputs than the champion"}
    assert all(not batch.inputs and not batch.outputs for batch in refused)
    assert units(refused) == {prediction_id: {unit_of(prediction_id)}}
    answered = [batch for batch in batches if batch.version == 1]
    assert all(batch.inputs and batch.outputs and not batch.error for batch in answered)
    assert units(answered) == {prediction_id: {0}}


async def test_what_nobody_could_read_leaves_no_row(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await candidate(running)
    assert (await http.post(INFER, json={"inputs": []})).status_code == 400
    await running.gateway.log.flush()
    assert running.logged() == []


async def test_an_answer_from_the_cache_has_the_unit_of_its_own_request(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await two_arms(running, sticky_header="X-User", cache={"entries": 10, "ttl": 60})
    first, second = await ask(http, user="alice"), await http.post(INFER, json=v2_body(), headers={"x-user": "alice"})
    assert second.headers["tidemill-cache"] == "hit"
    again = second.headers["tidemill-prediction-id"]
    assert units(await logged(running, rows=2)) == {one: {unit_of("alice")} for one in (first, again)}


async def test_a_mirror_has_no_units(running: RunningGateway, http: httpx.AsyncClient) -> None:
    digests = [await running.store(FakeModel(bias)) for bias in (1.0, 2.0, 3.0)]
    arms = [(version, digest, 0.5) for version, digest in enumerate(digests[:2], 1)]
    await running.route(1, arms, mirrors=[(3, digests[2], 1.0)])
    await running.until_epoch(1)
    prediction_id = await ask(http)
    batches = await logged(running, rows=2)
    assert units(batch for batch in batches if batch.role == ARM_ROLE_MIRROR) == {prediction_id: {0}}
    assert units(batch for batch in batches if batch.role != ARM_ROLE_MIRROR) == {
        prediction_id: {unit_of(prediction_id)}
    }
