"""`:predict` with named fields, and feedback."""

from pathlib import Path

import httpx
import pytest
from tidemill.v1.prediction_pb2 import GroundTruth
from tidemill_gateway.testing.running import RunningGateway, running_gateway

PREDICT = "/v1/models/flights:predict"


async def test_rows_of_named_fields_are_answered_in_order(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve(bias=-3.0)
    rows = [{"distance": 1000, "temp": None, "carrier": "UA"}, {"distance": 9000}, {}]
    response = await http.post(PREDICT, json={"instances": rows})
    body = response.json()
    assert response.status_code == 200
    assert (body["model"], body["version"]) == ("flights", 1)
    assert body["prediction_id"] == response.headers["tidemill-prediction-id"]
    assert [item["label"] for item in body["predictions"]] == [0, 1, 0]
    assert body["predictions"][0]["probabilities"] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": [{"speed": 1}]}, "speed"),
        ({"instances": [{}, {"temp": "hot"}]}, "instances[1].temp"),
        ({"instances": []}, "instances"),
        ({"instances": {}}, "instances"),
        ({}, "instances"),
        ({"instances": [{}], "explain": 1}, "explain"),
        ({"instances": [{}], "exlpain": True}, "exlpain"),
        ({"instances": [{}], "event_time": "soon"}, "event time"),
        ({"instances": [{}], "event_time": 1.5}, "event_time"),
    ],
)
async def test_mistakes_are_named(running: RunningGateway, http: httpx.AsyncClient, body: object, words: str) -> None:
    await running.serve()
    response = await http.post(PREDICT, json=body)
    assert response.status_code == 400
    assert words in response.json()["error"]


async def test_limits(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, max_rows=2, max_body_bytes=1024) as running:
        await running.serve()
        async with httpx.AsyncClient(base_url=running.http_url) as http:
            assert (await http.post(PREDICT, json={"instances": [{}] * 2})).status_code == 200
            assert (await http.post(PREDICT, json={"instances": [{}] * 3})).status_code == 413
            assert (await http.post(PREDICT, json={"instances": [{"carrier": "x" * 2000}]})).status_code == 413


async def test_a_body_of_megabytes_is_taken(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    response = await http.post(PREDICT, json={"instances": [{"carrier": "x" * 5_000_000}]})
    assert response.status_code == 200


async def test_the_event_time_of_the_body_is_logged(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    await http.post(PREDICT, json={"instances": [{}], "event_time": "2013-03-01T12:00:00Z"})
    await running.gateway.log.flush()
    (logged,) = running.logged()
    assert list(logged.event_times) == [1362139200000000]


async def test_feedback_is_published_before_it_is_answered(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    body = {"prediction_id": "p", "label": 1, "record_id": "flights-2013-1", "observed_at": "2013-03-01T12:00:00Z"}
    response = await http.post("/v1/feedback", json=body)
    assert (response.status_code, response.json()) == (200, {"accepted": 1})
    ((topic, event),) = running.producer.events
    truth = event.data
    assert (topic, event.subject) == ("ground-truth", "p")
    assert isinstance(truth, GroundTruth)
    assert (truth.prediction_id, truth.record_id, truth.pipeline, truth.label) == (
        "p",
        "flights-2013-1",
        "flights",
        1.0,
    )
    assert truth.observed_at.ToMicroseconds() == 1362139200000000


async def test_repeated_feedback_is_the_same_event(running: RunningGateway, http: httpx.AsyncClient) -> None:
    for label in (1, 1, 0):
        await http.post("/v1/feedback", json=[{"prediction_id": "p", "label": label}])
    ids = [event.id for _, event in running.producer.events]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "0 labels"),
        ({"prediction_id": "p"}, "0.label"),
        ([{"prediction_id": "p", "label": 1}, {"prediction_id": "p", "label": "late"}], "1.label"),
        ({"prediction_id": "p", "label": True}, "0.label"),
        ({"prediction_id": "", "label": 1}, "0.prediction_id"),
        ({"prediction_id": "p", "label": 1, "when": 1}, "0.when"),
        ({"prediction_id": "p", "label": 1, "observed_at": "soon"}, "event time"),
        ({"prediction_id": "p", "label": 1, "record_id": "r"}, "which model"),
        (7, "label 0"),
    ],
)
async def test_wrong_feedback_is_refused_whole(
    running: RunningGateway, http: httpx.AsyncClient, body: object, words: str
) -> None:
    response = await http.post("/v1/feedback", json=body)
    assert response.status_code == 400
    assert words in response.json()["error"]
    assert running.producer.events == []


async def test_feedback_that_kafka_does_not_take_is_not_acknowledged(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    running.producer.available = False
    response = await http.post("/v1/feedback", json={"prediction_id": "p", "label": 1})
    assert (response.status_code, list(response.json())) == (503, ["error"])


async def test_the_routes_are_shown(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    assert (await http.get("/v1/routes")).json()["models"]["flights"] == {
        "epoch": 1,
        "wanted_epoch": 1,
        "arms": [{"version": 1, "weight": 1.0}],
        "mirrors": [],
        "warm": [],
        "sticky_header": "",
        "sticky_field": "",
        "loaded": [1],
        "behind": False,
        "failure": "",
    }


async def test_requests_are_counted_without_a_label_per_unknown_model(
    running: RunningGateway, http: httpx.AsyncClient
) -> None:
    await running.serve()
    await http.post(PREDICT, json={"instances": [{}]})
    await http.post("/v1/models/nonsense:predict", json={"instances": [{}]})
    text = (await http.get("/metrics")).text
    assert 'tidemill_gateway_requests_total{code="200",model="flights",protocol="predict",version="1"}' in text
    assert 'code="404",model="",protocol="predict",version=""' in text
    assert "nonsense" not in text
