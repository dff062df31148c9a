"""Prediction ids and event times."""

import asyncio
import time
import uuid
from datetime import UTC, datetime

import httpx
import pytest
from gateway_helpers import INFER, PREDICT, v2_body
from hypothesis import given
from hypothesis import strategies as st
from tidemill_gateway.domain.times import now, parse_event_time
from tidemill_gateway.testing.running import RunningGateway
from tidemill_runtime.errors import InvalidInput


async def test_a_prediction_id_is_a_uuid_version_7_of_now(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    for path, body in ((INFER, v2_body()), (PREDICT, {"instances": [{}]})):
        before = time.time_ns() // 1_000_000
        made = uuid.UUID((await http.post(path, json=body)).headers["tidemill-prediction-id"])
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


async def test_prediction_ids_differ(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    responses = await asyncio.gather(*(http.post(INFER, json=v2_body()) for _ in range(200)))
    assert len({response.headers["tidemill-prediction-id"] for response in responses}) == 200


async def test_a_caller_cannot_choose_the_prediction_id(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    headers = {"tidemill-prediction-id": "mine", "tidemill-logged": "false", "tidemill-protocol": "kafka"}
    for path, body in ((INFER, v2_body()), (PREDICT, {"instances": [{}]})):
        response = await http.post(path, json=body, headers=headers)
        assert uuid.UUID(response.headers["tidemill-prediction-id"]).version == 7
    await running.gateway.log.flush()
    assert sum(len(batch.prediction_ids) for batch in running.logged()) == 2


async def test_one_row_has_the_requests_id_and_several_are_numbered(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await running.serve()
    one = (await http.post(INFER, json=v2_body(1))).headers["tidemill-prediction-id"]
    three = (await http.post(INFER, json=v2_body(3))).headers["tidemill-prediction-id"]
    await running.gateway.log.flush()
    logged = [row_id for batch in running.logged() for row_id in batch.prediction_ids]
    assert sorted(logged) == sorted([one, f"{three}:0", f"{three}:1", f"{three}:2"])


async def test_without_an_event_time_it_is_now(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    before = now()
    await http.post(INFER, json=v2_body())
    await running.gateway.log.flush()
    assert before <= running.logged()[0].event_times[0] <= now()


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_both_forms_of_a_time_mean_the_same(moment: datetime) -> None:
    microseconds = parse_event_time(moment.isoformat())
    assert parse_event_time(microseconds) == parse_event_time(str(microseconds)) == microseconds


TIMES = {
    "2013-03-01T12:00:00Z": 1362139200000000,
    "2013-03-01T07:00:00-05:00": 1362139200000000,
    "2013-03-01T12:00:00.000001Z": 1362139200000001,
    "2013-03-01 12:00:00+00:00": 1362139200000000,
    "1362139200000000": 1362139200000000,
    "-1": -1,
    "1969-12-31T23:59:59.999999Z": -1,
}


@pytest.mark.parametrize(("text", "expected"), TIMES.items())
async def test_a_time_means_the_same_in_a_header_and_in_a_body(
    running: RunningGateway, http: httpx.AsyncClient, text: str, expected: int
) -> None:
    await running.serve()
    headers = {"tidemill-event-time": text}
    assert (await http.post(INFER, json=v2_body(), headers=headers)).status_code == 200
    assert (await http.post(PREDICT, json={"instances": [{}], "event_time": text})).status_code == 200
    await running.gateway.log.flush()
    assert [moment for batch in running.logged() for moment in batch.event_times] == [expected] * 2


def test_offsets_count() -> None:
    assert parse_event_time("2013-03-01T07:00:00-05:00") == parse_event_time("2013-03-01T12:00:00Z") == 1362139200000000


def test_now_is_in_microseconds() -> None:
    assert abs(now() / 1e6 - time.time()) < 5


NO_TIMES = ["", "yesterday", "2013-03-01T12:00:00", "1e9", "9" * 19]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="event time"):
        parse_event_time(text)


@pytest.mark.parametrize("text", NO_TIMES)
async def test_what_is_no_time_is_refused_in_a_header(
    running: RunningGateway, http: httpx.AsyncClient, text: str
) -> None:
    await running.serve()
    response = await http.post(INFER, json=v2_body(), headers={"tidemill-event-time": text})
    assert (response.status_code, "event time" in response.json()["error"]) == (400, True)
