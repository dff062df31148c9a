"""The HTTP API: an acknowledgement that means something, and exactly what was wrong."""

import asyncio

import httpx
import orjson
import pytest
from fastapi import FastAPI
from ingest_examples import ride
from tidemill_ingest.adapters.lake import Lake
from tidemill_ingest.api import create_router
from tidemill_ingest.domain.messages import RecordStream
from tidemill_ingest.settings import IngestSettings
from tidemill_runtime.http import create_app
from tidemill_runtime.testing import FakeProducer


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
async def client(producer, pipeline, tmp_path):
    settings = IngestSettings(
        environment="local",
        kafka_bootstrap="unused:1",
        http_port=1,
        pipelines=tmp_path,
        lake_url=tmp_path.as_uri(),
        ingest_max_body_bytes=2000,
        ingest_max_records=5,
    )

    async def ready() -> dict[str, bool]:
        return {}

    app: FastAPI = create_app("test", ready)
    streams = {"rides": RecordStream("rides", pipeline.sources["rides"])}
    app.include_router(create_router(settings, streams, producer, Lake(tmp_path.as_uri()), asyncio.Lock()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest") as http:
        yield http


PATH = "/v1/sources/rides/records"


async def test_good_records_are_on_kafka_under_their_id_before_the_answer(client, producer) -> None:
    answer = await client.post(PATH, json=[ride("a", 1), ride("b", 2)])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "refused": []})
    assert [(sent.topic, sent.key) for sent in producer.sent] == [("records.rides", b"a"), ("records.rides", b"b")]


async def test_a_single_record_keeps_its_bytes(client, producer) -> None:
    body = orjson.dumps(ride("a", 1), option=orjson.OPT_INDENT_2)
    await client.post(PATH, content=body)
    assert producer.sent[0].value == body


async def test_a_bad_record_is_named_and_still_kept(client, producer) -> None:
    answer = await client.post(PATH, json=[ride("a", 1), ride("b", 2, distance=-1)])
    assert answer.status_code == 202
    assert answer.json()["refused"] == [{"index": 1, "id": "b", "reasons": ["distance: -1 is below 0"]}]
    assert len(producer.sent) == 2


async def test_a_request_without_one_good_record_is_a_400_and_kept(client, producer) -> None:
    answer = await client.post(PATH, json={"id": "a"})
    assert answer.status_code == 400
    assert len(producer.sent) == 1


async def test_a_bad_line_of_ndjson_does_not_spoil_its_neighbours(client) -> None:
    lines = orjson.dumps(ride("a", 1)) + b"\nnope\n\n" + orjson.dumps(ride("b", 1))
    answer = await client.post(PATH, content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.json()["accepted"] == 2
    assert answer.json()["refused"][0]["reasons"][0].startswith("not JSON")


@pytest.mark.parametrize(
    ("path", "body", "status", "cause"),
    [
        ("/v1/sources/other/records", b"{}", 404, "no source 'other'; there are rides"),
        (PATH, b"{", 400, "body: not JSON"),
        (PATH, b"", 400, "body: not JSON"),
        (PATH, b"[]", 400, "no records"),
        (PATH, b"[1,2,3,4,5,6]", 413, "6 records; at most 5"),
        (PATH, b"[" + b" " * 3000 + b"]", 413, "at most 2000"),
    ],
)
async def test_a_wrong_request_is_told_why(client, producer, path: str, body: bytes, status: int, cause: str) -> None:
    answer = await client.post(path, content=body)
    assert answer.status_code == status
    assert cause in answer.json()["error"]
    assert not producer.sent


async def test_without_kafka_nothing_is_acknowledged(client, producer) -> None:
    producer.available = False
    answer = await client.post(PATH, json=ride("a", 1))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
