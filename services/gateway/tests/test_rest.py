"""The Open Inference Protocol over REST, as plain HTTP clients use it."""

import gzip
import json
import struct
import zlib

import grpc
import httpx
import pytest
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, until

INFER = "/v2/models/flights/infer"


def v2_inputs(rows: int = 1) -> list[dict[str, object]]:
    return [
        {"name": "distance", "datatype": "FP32", "shape": [rows, 1], "data": [1000.0] * rows},
        {"name": "temp", "datatype": "FP32", "shape": [rows, 1], "data": [[None]] * rows},
        {"name": "carrier", "datatype": "BYTES", "shape": [rows, 1], "data": ["UA"] * rows},
    ]


async def test_health_and_metadata(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    assert (await http.get("/v2/health/live")).json() == {"live": True}
    assert (await http.get("/v2/health/ready")).json() == {"ready": True}
    assert (await http.get("/v2")).json()["name"] == "tidemill"
    assert (await http.get("/v2/")).status_code == 200
    metadata = (await http.get("/v2/models/flights")).json()
    assert metadata["name"] == "flights"
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"][2] == {"name": "carrier", "datatype": "BYTES", "shape": [-1, 1]}
    assert metadata["outputs"][1] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}
    assert (await http.get("/v2/models/flights/ready")).json() == {"name": "flights", "ready": True}
    assert (await http.get("/v2/models/flights/versions/1/ready")).status_code == 200
    index = (await http.post("/v2/repository/index", content=b"")).json()
    assert index == [{"name": "flights", "version": "1", "state": "READY", "reason": ""}]


async def test_json_inference_answers_under_the_public_name(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve(bias=-3.0)
    response = await http.post(INFER, json={"id": "mine", "inputs": v2_inputs(2)})
    body = response.json()
    assert response.status_code == 200
    assert (body["model_name"], body["model_version"], body["id"]) == ("flights", "1", "mine")
    assert body["parameters"]["prediction_id"] == response.headers["tidemill-prediction-id"]
    outputs = {output["name"]: output for output in body["outputs"]}
    assert outputs["label"]["data"] == [0, 0]
    assert outputs["probabilities"]["shape"] == [2, 2]
    assert outputs["probabilities"]["data"] == pytest.approx([0.5, 0.5] * 2)


async def test_only_the_requested_outputs_are_given(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    body = (await http.post(INFER, json={"inputs": v2_inputs(), "outputs": [{"name": "label"}]})).json()
    assert [output["name"] for output in body["outputs"]] == ["label"]
    assert body["id"] == body["parameters"]["prediction_id"]


async def test_binary_tensors_both_ways(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve(bias=-3.0)
    parts = [struct.pack("<f", 1000.0), struct.pack("<f", float("nan")), struct.pack("<I", 2) + b"UA"]
    inputs = [
        {"name": name, "datatype": datatype, "shape": [1, 1], "parameters": {"binary_data_size": len(part)}}
        for (name, datatype), part in zip(
            [("distance", "FP32"), ("temp", "FP32"), ("carrier", "BYTES")], parts, strict=True
        )
    ]
    header = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    response = await http.post(
        INFER, content=b"".join([header, *parts]), headers={"Inference-Header-Content-Length": str(len(header))}
    )
    length = int(response.headers["Inference-Header-Content-Length"])
    described = json.loads(response.content[:length])["outputs"]
    assert [output["parameters"]["binary_data_size"] for output in described] == [8, 8]
    assert struct.unpack("<q2f", response.content[length:]) == (0, 0.5, 0.5)


@pytest.mark.parametrize(("encoding", "deflate"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_compressed_bodies(running: RunningGateway, http: httpx.AsyncClient, encoding: str, deflate) -> None:
    await running.serve()
    body = deflate(json.dumps({"inputs": v2_inputs()}).encode())
    assert (await http.post(INFER, content=body, headers={"content-encoding": encoding})).status_code == 200
    broken = await http.post(INFER, content=body[:-5], headers={"content-encoding": encoding})
    assert (broken.status_code, "cut short" in broken.json()["error"]) == (400, True)


async def test_a_gzip_bomb_is_refused(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    bomb = gzip.compress(bytes(65 << 20))
    response = await http.post(INFER, content=bomb, headers={"content-encoding": "gzip"})
    assert (response.status_code, "inflated" in response.json()["error"]) == (413, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/models/unknown/infer", 404),
        ("POST", "/v2/models/flights/versions/7/infer", 404),
        ("POST", "/v2/models/flights/versions/x/infer", 404),
        ("GET", "/v2/models/unknown", 404),
        ("GET", "/v2/models/flights/versions/2/ready", 404),
        ("GET", "/v2/models/flights/infer", 405),
        ("POST", "/v2/repository/models/flights/load", 404),
        ("POST", "/v2/systemsharedmemory/region/a/register", 404),
        ("POST", "/v2/trace/setting", 404),
        ("GET", "/no/such/path", 404),
    ],
)
async def test_every_error_is_an_error_object(
    running: RunningGateway, http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    await running.serve()
    response = await http.request(
        method, path, content=json.dumps({"inputs": v2_inputs()}) if method == "POST" else None
    )
    assert response.status_code == status
    assert list(response.json()) == ["error"]


async def test_bad_input_never_reaches_the_model_server(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    before = len(running.triton.inferences)
    for body in (b"", b"[]", b"{", b'{"inputs": []}', b'{"inputs": [{"name": "distance", "data": [NaN]}]}'):
        response = await http.post(INFER, content=body)
        assert (response.status_code, list(response.json())) == (400, ["error"])
    assert len(running.triton.inferences) == before


async def test_a_version_in_the_path_pins(running: RunningGateway, http: httpx.AsyncClient) -> None:
    first = await running.serve(bias=-9.0)
    second = await running.store(FakeModel(9.0))
    await running.route(2, [(2, second, 1.0)], warm=[(1, first)])
    await running.until_epoch(2)
    for version, label in (("1", 0), ("2", 1)):
        path = f"/v2/models/flights/versions/{version}/infer"
        body = (await http.post(path, json={"inputs": v2_inputs()})).json()
        assert (body["model_version"], body["outputs"][0]["data"]) == (version, [label])


async def test_one_unavailable_answer_is_tried_again(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    running.triton.fail(grpc.StatusCode.UNAVAILABLE, times=1)
    assert (await http.post(INFER, json={"inputs": v2_inputs()})).status_code == 200
    running.triton.fail(grpc.StatusCode.UNAVAILABLE, times=2)
    response = await http.post(INFER, json={"inputs": v2_inputs()})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_the_event_time_of_the_header_is_logged(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    headers = {"tidemill-event-time": "2013-03-01T12:00:00Z"}
    response = await http.post(INFER, json={"inputs": v2_inputs()}, headers=headers)
    await until(lambda: bool(running.logged()))
    (logged,) = running.logged()
    assert list(logged.prediction_ids) == [response.headers["tidemill-prediction-id"]]
    assert list(logged.event_times) == [1362139200000000]
    bad = await http.post(INFER, json={"inputs": v2_inputs()}, headers={"tidemill-event-time": "yesterday"})
    assert (bad.status_code, "event time" in bad.json()["error"]) == (400, True)
