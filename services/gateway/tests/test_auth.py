"""Callers and their keys: who may ask what, and how often."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
import yaml
from gateway_helpers import INFER, PREDICT, ROW, v2_body
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError
from test_grpc import typed_request
from tidemill_gateway.callers import Callers, read_keys
from tidemill_gateway.settings import GatewaySettings
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.running import RunningGateway, running_gateway
from tidemill_runtime.errors import InvalidInput
from tritonclient.grpc import service_pb2, service_pb2_grpc

KEYS = {
    "all": {},
    "flights only": {"models": ["flights"]},
    "hotels only": {"models": ["hotels"]},
    "nothing": {"models": []},
    "slow": {"rate": {"per_second": 0.001, "burst": 2}},
}


def shown(key: str) -> dict[str, str]:
    """The header that shows the key of this name."""
    return {"authorization": f"Bearer key of {key}"}


def key_file(folder: Path) -> Path:
    entries = [
        {"name": name, "sha256": hashlib.sha256(f"key of {name}".encode()).hexdigest(), **rest}
        for name, rest in KEYS.items()
    ]
    path = folder / "keys.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path, api_keys=key_file(tmp_path)) as running:
        await running.serve()
        await running.route(1, [(1, await running.store(FakeModel(), "hotels"), 1.0)], model="hotels")
        await running.until_epoch(1, "hotels")
        yield running


@pytest.fixture
async def caller(guarded: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=guarded.http_url) as http:
        yield http


@pytest.fixture
async def stub(guarded: RunningGateway) -> AsyncIterator[service_pb2_grpc.GRPCInferenceServiceStub]:
    async with grpc.aio.insecure_channel(guarded.grpc_url) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


FEEDBACK = {"prediction_id": "p", "label": 1}
CALLS = [
    ("POST", INFER, v2_body()),
    ("POST", "/v2/models/flights/versions/1/infer", v2_body()),
    ("POST", PREDICT, ROW),
    ("GET", "/v2/models/flights", None),
    ("GET", "/v2/models/flights/versions/1", None),
    ("GET", "/v2/models/flights/ready", None),
    ("GET", "/v2/models/flights/stats", None),
    ("GET", "/v2/models/flights/config", None),
]
CALLS_OF_NO_MODEL = [
    ("POST", "/v1/feedback", FEEDBACK),
    ("GET", "/v1/routes", None),
    ("GET", "/v2", None),
    ("POST", "/v2/repository/index", {}),
]


async def test_a_known_key_opens_every_path(caller: httpx.AsyncClient) -> None:
    for method, path, body in (*CALLS, *CALLS_OF_NO_MODEL):
        response = await caller.request(method, path, json=body, headers=shown("all"))
        assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "key of all"},
        {"authorization": "Basic a2V5IG9mIGFsbA=="},
        {"authorization": f"Bearer {hashlib.sha256(b'key of all').hexdigest()}"},
        {"tidemill-caller": "all"},
    ],
)
async def test_without_a_known_key_nothing_is_told(
    guarded: RunningGateway, caller: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    before = len(guarded.triton.inferences)
    for method, path, body in (*CALLS, *CALLS_OF_NO_MODEL):
        response = await caller.request(method, path, json=body, headers=headers)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer"), path
        assert list(response.json()) == ["error"]
    assert len(guarded.triton.inferences) == before
    assert guarded.producer.sent == []


async def test_unknown_paths_and_models_are_not_told_without_a_key(caller: httpx.AsyncClient) -> None:
    for path in ("/v2/models/unknown", "/no/such/path", "/docs", "/openapi.json"):
        assert (await caller.get(path)).status_code == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"])
async def test_probes_and_scrapers_need_no_key(caller: httpx.AsyncClient, path: str) -> None:
    assert (await caller.get(path)).status_code == 200


@pytest.mark.parametrize("key", ["hotels only", "nothing"])
async def test_a_key_for_other_models_is_refused(guarded: RunningGateway, caller: httpx.AsyncClient, key: str) -> None:
    before = len(guarded.triton.inferences)
    for method, path, body in CALLS:
        response = await caller.request(method, path, json=body, headers=shown(key))
        assert response.status_code == 403, path
        assert key in response.json()["error"]
    assert len(guarded.triton.inferences) == before


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_a_path_that_is_written_otherwise_opens_no_other_model(
    caller: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    opened = []
    for letter in range(1, len(path)):
        written = f"{path[:letter]}%{ord(path[letter]):02X}{path[letter + 1 :]}"
        request = caller.build_request(method, "/", json=body, headers=shown("hotels only"))
        request.url = request.url.copy_with(raw_path=written.encode())
        if (await caller.send(request)).is_success:
            opened.append(written)
    assert opened == []


async def test_a_key_opens_its_own_models(caller: httpx.AsyncClient) -> None:
    for model in ("flights", "hotels"):
        response = await caller.post(f"/v1/models/{model}:predict", json=ROW, headers=shown(f"{model} only"))
        assert (response.status_code, response.json()["model"]) == (200, model)


@pytest.mark.parametrize(("path", "body"), [(INFER, v2_body()), (PREDICT, ROW), ("/v1/feedback", FEEDBACK)])
async def test_who_asks_too_often_is_told_to_wait(caller: httpx.AsyncClient, path: str, body: Any) -> None:
    statuses = [(await caller.post(path, json=body, headers=shown("slow"))).status_code for _ in range(2)]
    assert statuses == [200, 200]
    refused = await caller.post(path, json=body, headers=shown("slow"))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "slow asks too often" in refused.json()["error"]
    assert (await caller.post(path, json=body, headers=shown("all"))).status_code == 200


async def test_a_rate_lets_calls_through_again_after_a_while(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    rate = {"per_second": 20, "burst": 1}
    path.write_text(yaml.safe_dump([{"name": "a", "sha256": hashlib.sha256(b"k").hexdigest(), "rate": rate}]))
    async with running_gateway(tmp_path, api_keys=path) as running:
        await running.serve()
        async with httpx.AsyncClient(base_url=running.http_url, headers={"authorization": "Bearer k"}) as http:
            statuses = []
            while statuses[-1:] != [200] or 429 not in statuses:
                statuses.append((await http.post(INFER, json=v2_body())).status_code)
            assert set(statuses) == {200, 429}


async def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code()


METHODS = {
    "ModelInfer": typed_request(),
    "ModelMetadata": service_pb2.ModelMetadataRequest(name="flights"),
    "ModelReady": service_pb2.ModelReadyRequest(name="flights"),
    "ModelConfig": service_pb2.ModelConfigRequest(name="flights"),
    "ModelStatistics": service_pb2.ModelStatisticsRequest(name="flights"),
}


@pytest.mark.parametrize("method", [*METHODS, "ServerMetadata", "RepositoryIndex"])
async def test_keys_are_asked_for_over_grpc(stub: Any, method: str) -> None:
    request = METHODS.get(method) or getattr(service_pb2, f"{method}Request")()
    call = getattr(stub, method)
    assert await refused(call(request, timeout=5)) is grpc.StatusCode.UNAUTHENTICATED
    wrong = (("authorization", "Bearer wrong"),)
    assert await refused(call(request, timeout=5, metadata=wrong)) is grpc.StatusCode.UNAUTHENTICATED
    await call(request, timeout=5, metadata=tuple(shown("all").items()))


@pytest.mark.parametrize("method", METHODS)
async def test_a_key_for_other_models_is_refused_over_grpc(stub: Any, method: str) -> None:
    metadata = tuple(shown("hotels only").items())
    call = getattr(stub, method)(METHODS[method], timeout=5, metadata=metadata)
    assert await refused(call) is grpc.StatusCode.PERMISSION_DENIED


async def test_who_asks_too_often_over_grpc_is_told_so(stub: Any) -> None:
    metadata = tuple(shown("slow").items())
    for _ in range(2):
        await stub.ModelInfer(typed_request(), timeout=5, metadata=metadata)
    call = stub.ModelInfer(typed_request(), timeout=5, metadata=metadata)
    assert await refused(call) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_health_over_grpc_needs_no_key(guarded: RunningGateway, stub: Any) -> None:
    assert (await stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=5)).live
    assert (await stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=5)).ready
    async with grpc.aio.insecure_channel(guarded.grpc_url) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        await health.Check(health_pb2.HealthCheckRequest(), timeout=5)


async def test_a_stream_needs_a_key_for_each_of_its_models(stub: Any) -> None:
    without = stub.ModelStreamInfer(iter([typed_request()]), timeout=5)
    assert await refused(without.read()) is grpc.StatusCode.UNAUTHENTICATED
    requests = iter([typed_request(), typed_request(model_name="hotels")])
    answers = [
        answer
        async for answer in stub.ModelStreamInfer(requests, timeout=5, metadata=tuple(shown("hotels only").items()))
    ]
    assert ["may not use model 'flights'" in answer.error_message for answer in answers] == [True, False]
    assert answers[1].infer_response.model_name == "hotels"


async def test_names_that_only_the_gateway_itself_may_give_are_passed_over(guarded: RunningGateway, stub: Any) -> None:
    own = {"tidemill-prediction-id": "mine", "tidemill-logged": "false", "tidemill-protocol": "kafka"}
    metadata = tuple({**shown("all"), **own}.items())
    response = await stub.ModelInfer(typed_request(), timeout=5, metadata=metadata)
    prediction_id = response.parameters["prediction_id"].string_param
    assert prediction_id != "mine"
    await guarded.gateway.log.flush()
    assert [list(batch.prediction_ids) for batch in guarded.logged()] == [[prediction_id]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: a, sha256: short}", "0.sha256"),
        ("- {name: a, key: secret}", "0."),
        ("- {name: '', sha256: '" + "a" * 64 + "'}", "0.name"),
        ("- {name: a, sha256: '" + "a" * 64 + "', rate: {per_second: 0}}", "0.rate.per_second"),
        ("a: b", "the file"),
        ("- [", "keys.yaml"),
    ],
)
def test_a_wrong_key_file_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=words):
        read_keys(path)


SETTINGS = {
    "kafka_bootstrap": "127.0.0.1:9",
    "http_port": 1,
    "grpc_port": 2,
    "triton_url": "127.0.0.1:3",
    "model_repository": "/models",
    "artifacts_url": "file:///artifacts",
}


async def test_a_file_without_keys_does_not_open_the_gateway(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("[]")
    told: list[object] = []
    plane = SimpleNamespace(set_callers=told.append)
    callers = Callers(GatewaySettings.model_validate({**SETTINGS, "api_keys": path}), plane)
    with pytest.raises(InvalidInput, match="no keys"):
        await callers.start()
    assert told == []


OPEN = {"http_host": "0.0.0.0"}
TLS = {"tls_certificate": "/a", "tls_key": "/b"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"http_host": "localhost", "grpc_host": "::1"},
        {**OPEN, "api_keys": "/keys"},
        {**OPEN, "oidc_issuer": "https://issuer", "oidc_audience": "tidemill"},
        {**OPEN, **TLS, "tls_client_ca": "/c"},
        {**OPEN, "anonymous": True},
    ],
)
def test_a_gateway_may_listen_where_its_callers_are_known(changes: dict[str, object]) -> None:
    GatewaySettings.model_validate({**SETTINGS, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (OPEN, "ANONYMOUS"),
        ({"grpc_host": "0.0.0.0"}, "ANONYMOUS"),
        ({"http_host": "::"}, "ANONYMOUS"),
        ({"http_host": "10.0.0.1", **TLS}, "ANONYMOUS"),
        ({"http_host": "gateway"}, "ANONYMOUS"),
        ({"tls_certificate": "/a"}, "TLS_KEY"),
        ({"tls_client_ca": "/a"}, "TLS_CERTIFICATE"),
        ({"oidc_issuer": "https://issuer"}, "OIDC_AUDIENCE"),
        ({"triton_url": " , "}, "TRITON_URL"),
    ],
)
def test_settings_that_let_anyone_in_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        GatewaySettings.model_validate({**SETTINGS, **changes})


@pytest.mark.parametrize("size", [200, 3_000_000])
@pytest.mark.parametrize("path", ["/v2/models/flights/infer", "/v1/models/flights:predict"])
async def test_a_refused_caller_that_still_sends_reads_why_and_keeps_its_connection(
    guarded: RunningGateway, path: str, size: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", guarded.settings.http_port)
    for _ in range(3):
        writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
        await writer.drain()
        writer.write(b"x" * size)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 401 ")
        (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()
