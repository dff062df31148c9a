"""Requests that would wait for the model server go to it together, and each gets its own answer."""

import asyncio

import grpc
import httpx
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, until

INFER = "/v2/models/flights/infer"
ALONE = 2


def body(distance: float, rows: int = 1) -> dict[str, object]:
    shape = [rows, 1]
    return {
        "inputs": [
            {"name": "distance", "datatype": "FP32", "shape": shape, "data": [distance] * rows},
            {"name": "temp", "datatype": "FP32", "shape": shape, "data": [None] * rows},
            {
                "name": "carrier",
                "datatype": "BYTES",
                "shape": shape,
                "data": ["UA" * (number + 1) for number in range(rows)],
            },
        ],
        "outputs": [{"name": "probabilities"}],
    }


def expected(distance: float, rows: int = 1) -> list[float]:
    model = FakeModel()
    return [model._probability(distance, float("nan"), "UA" * (number + 1)) for number in range(rows)]


async def ask_at_once(running: RunningGateway, http: httpx.AsyncClient, rows: list[int]) -> list[httpx.Response]:
    """Requests that all come while the model server answers none."""
    running.triton.gate.clear()
    asked = [
        asyncio.create_task(http.post(INFER, json=body(100.0 * number, count))) for number, count in enumerate(rows)
    ]
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == len(rows))
    await until(lambda: len(running.triton.inferences) >= ALONE + 1)
    running.triton.gate.set()
    return await asyncio.gather(*asked)


def assert_each_has_its_own(answers: list[httpx.Response], rows: list[int]) -> None:
    for number, (answer, count) in enumerate(zip(answers, rows, strict=True)):
        assert answer.status_code == 200, answer.text
        late = answer.json()["outputs"][0]["data"][1::2]
        wanted = expected(100.0 * number, count)
        assert len(late) == count
        assert all(abs(one - other) < 1e-6 for one, other in zip(late, wanted, strict=True))


async def test_what_waits_goes_in_one_call_and_each_caller_gets_its_rows(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await running.serve()
    before, rows = len(running.triton.inferences), [1, 2, 3, 1, 5, 1, 4, 2]
    answers = await ask_at_once(running, http, rows)
    assert_each_has_its_own(answers, rows)
    assert len(running.triton.inferences) - before == ALONE + 1
    await running.gateway.log.flush()
    assert sum(len(batch.prediction_ids) for batch in running.logged()) == sum(rows)


async def test_a_caller_that_goes_away_takes_nobody_with_it(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    running.triton.gate.clear()
    asked = [asyncio.create_task(http.post(INFER, json=body(100.0 * number))) for number in range(6)]
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 6)
    asked[4].cancel()
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 5)
    running.triton.gate.set()
    answers = await asyncio.gather(*(task for number, task in enumerate(asked) if number != 4))
    assert [answer.status_code for answer in answers] == [200] * 5


async def test_a_traced_request_goes_by_itself(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    before = len(running.triton.inferences)
    running.triton.gate.clear()
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    asked = [asyncio.create_task(http.post(INFER, json=body(1.0), headers=trace)) for _ in range(5)]
    await until(lambda: len(running.triton.inferences) - before == 5)
    running.triton.gate.set()
    assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * 5


async def test_a_call_that_is_refused_is_asked_again_for_each_of_its_callers(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await running.serve()
    running.triton.gate.clear()
    asked = [asyncio.create_task(http.post(INFER, json=body(100.0 * number))) for number in range(6)]
    await until(lambda: running.gateway.plane.in_flight("flights", 1) == 6)
    running.triton.fail(grpc.StatusCode.INVALID_ARGUMENT, times=3)
    running.triton.gate.set()
    answers = await asyncio.gather(*asked)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 200, 200, 400, 400]
