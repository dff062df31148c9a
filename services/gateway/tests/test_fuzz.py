"""Whatever is sent is answered, or refused as documented; the gateway lives on and does not grow."""

import asyncio
import gzip
import json
import os
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import grpc
import grpc.aio
import httpx
import psutil
import pytest
from gateway_helpers import INFER, PREDICT, ROW, v2_body
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import (
    DATA,
    HEADERS,
    PREFACE,
    call_over_http2,
    changed_documents,
    edited,
    edits,
    frame,
    mutated,
    random_edits,
)
from tidemill_gateway.testing.fake_model import golden_rows
from tidemill_gateway.testing.running import RunningGateway, running_gateway
from tritonclient.grpc import service_pb2

FUZZ = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PINNED = "/v2/models/flights/versions/1/infer"
FEEDBACK = "/v1/feedback"
UNARY, STREAM = (f"/inference.GRPCInferenceService/{method}" for method in ("ModelInfer", "ModelStreamInfer"))
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
STATUSES = {200, 400, 404, 405, 413}
GROWTH_BYTES = 20 << 20
SECONDS = 5.0
SCHEMATHESIS = Path(__file__).with_name("schemathesis.toml")

Refused = tuple[grpc.StatusCode, str]


def _message() -> bytes:
    rows = golden_rows()
    tensor = service_pb2.ModelInferRequest.InferInputTensor
    return service_pb2.ModelInferRequest(
        model_name="flights",
        id="fuzzed",
        inputs=[tensor(name=item.name, datatype=item.datatype, shape=item.shape) for item in rows],
        outputs=[service_pb2.ModelInferRequest.InferRequestedOutputTensor(name="label")],
        parameters={"priority": service_pb2.InferParameter(int64_param=1)},
        raw_input_contents=[item.raw for item in rows],
    ).SerializeToString()


def _typed_message() -> bytes:
    contents = service_pb2.InferTensorContents
    columns = {
        "distance": ("FP32", contents(fp32_contents=[100.0])),
        "temp": ("FP32", contents(fp32_contents=[20.0])),
        "carrier": ("BYTES", contents(bytes_contents=[b"UA"])),
    }
    tensor = service_pb2.ModelInferRequest.InferInputTensor
    return service_pb2.ModelInferRequest(
        model_name="flights",
        inputs=[
            tensor(name=name, datatype=datatype, shape=[1, 1], contents=data)
            for name, (datatype, data) in columns.items()
        ],
    ).SerializeToString()


def _binary_body() -> tuple[bytes, int]:
    """Binary tensors in and out, and the length of the JSON before them."""
    rows = golden_rows()
    inputs = [
        {
            "name": item.name,
            "datatype": item.datatype,
            "shape": item.shape,
            "parameters": {"binary_data_size": len(item.raw)},
        }
        for item in rows
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(item.raw for item in rows), len(head)


MESSAGE, TYPED = _message(), _typed_message()
BINARY, BINARY_HEAD = _binary_body()
DOCUMENT = v2_body(2, id="fuzzed", outputs=[{"name": "label"}], parameters={"priority": 1})
LABEL = {"prediction_id": "0195a000-0000-7000-8000-000000000000", "label": 1}
BODIES = (json.dumps(DOCUMENT).encode(), json.dumps(ROW).encode(), json.dumps(LABEL).encode(), BINARY)


@pytest.fixture
async def served(running: RunningGateway) -> RunningGateway:
    """A gateway that serves a model."""
    await running.serve()
    return running


@pytest.fixture
async def calls(served: RunningGateway) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(served.grpc_url) as channel:
        yield channel


async def still_answers(running: RunningGateway) -> None:
    """Fail unless a valid request is answered over either protocol; forget what the fakes keep of the requests."""
    async with httpx.AsyncClient(base_url=running.http_url) as client:
        response = await client.post(INFER, json=v2_body())
        assert response.status_code == 200, response.text
    async with grpc.aio.insecure_channel(running.grpc_url) as channel:
        await channel.unary_unary(UNARY)(MESSAGE, timeout=SECONDS)
    running.triton.inferences.clear()
    running.producer.sent.clear()


async def refused(call: Any) -> Refused | None:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    return None


def assert_documented(outcomes: Sequence[Refused | None]) -> None:
    wrong = [one for one in outcomes if one is not None and (one[0] not in REFUSALS or not one[1])]
    assert wrong == []


def assert_documented_over_rest(responses: Sequence[httpx.Response]) -> None:
    """Fail unless every answer is one of `STATUSES`, and every refusal is `{"error": text}`."""
    for response in responses:
        assert response.status_code in STATUSES, f"{response.status_code}: {response.text[:300]}"
        if response.status_code != 200:
            assert_is_error(response.content)


def assert_is_error(body: bytes) -> None:
    document = json.loads(body)
    assert list(document) == ["error"], document
    assert isinstance(document["error"], str)
    assert document["error"]


@FUZZ
@given(st.lists(mutated(MESSAGE, TYPED), min_size=5, max_size=20))
async def test_any_message_is_answered_or_refused(
    served: RunningGateway, calls: grpc.aio.Channel, messages: list[bytes]
) -> None:
    infer = calls.unary_unary(UNARY)
    assert_documented(await asyncio.gather(*(refused(infer(one, timeout=SECONDS)) for one in messages)))
    await still_answers(served)


@FUZZ
@given(st.lists(mutated(MESSAGE, TYPED), min_size=5, max_size=20))
async def test_every_message_of_a_stream_has_its_answer_or_its_error(
    served: RunningGateway, calls: grpc.aio.Channel, messages: list[bytes]
) -> None:
    answers = [
        service_pb2.ModelStreamInferResponse.FromString(answer)
        async for answer in calls.stream_stream(STREAM)(iter(messages), timeout=SECONDS)
    ]
    assert len(answers) == len(messages)
    assert all(one.error_message or one.infer_response.outputs for one in answers)
    await still_answers(served)


@FUZZ
@given(st.lists(st.tuples(st.sampled_from([UNARY, STREAM]), edits), min_size=1, max_size=5))
async def test_broken_frames_end_their_connection_and_no_other(
    served: RunningGateway, changes: list[tuple[str, Any]]
) -> None:
    framed = b"\0" + len(MESSAGE).to_bytes(4, "big") + MESSAGE
    sent = [edited(call_over_http2(path, framed), change) for path, change in changes]
    sent += [call_over_http2(path, edited(framed * 2, change)) for path, change in changes]
    await asyncio.gather(*(exchange(served.settings.grpc_port, one) for one in sent))
    await still_answers(served)


@FUZZ
@given(
    st.lists(
        st.tuples(
            st.sampled_from([INFER, PINNED, PREDICT, FEEDBACK]),
            changed_documents(DOCUMENT) | changed_documents(ROW) | changed_documents([LABEL]) | mutated(*BODIES),
        ),
        min_size=5,
        max_size=20,
    )
)
async def test_any_json_is_answered_or_refused(
    served: RunningGateway, http: httpx.AsyncClient, requests: list[tuple[str, bytes]]
) -> None:
    assert_documented_over_rest(await asyncio.gather(*(http.post(path, content=body) for path, body in requests)))
    await still_answers(served)


LENGTHS = st.sampled_from([None, *(str(BINARY_HEAD + by) for by in (0, -1, 1)), "0", "-1", "1e3", "", "9" * 30, "٣"])


@FUZZ
@given(st.lists(st.tuples(st.just(BINARY) | mutated(BINARY), LENGTHS), min_size=5, max_size=20))
async def test_any_binary_body_and_length_is_answered_or_refused(
    served: RunningGateway, http: httpx.AsyncClient, requests: list[tuple[bytes, str | None]]
) -> None:
    def headers(length: str | None) -> dict[str, bytes]:
        return {} if length is None else {"inference-header-content-length": length.encode()}

    posts = (http.post(INFER, content=body, headers=headers(length)) for body, length in requests)
    assert_documented_over_rest(await asyncio.gather(*posts))
    await still_answers(served)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "": bytes}
NAMES = ("gzip", "deflate", "br", "identity", "GZIP", "gzip, gzip", "", ",", "x" * 300)
encodings = st.tuples(
    st.sampled_from([PREDICT, INFER]),
    st.sampled_from(sorted(ENCODERS)),
    st.sampled_from(NAMES),
    st.just([]) | edits,
)


@FUZZ
@given(st.lists(encodings, min_size=5, max_size=15))
async def test_any_encoding_is_understood_or_refused(
    served: RunningGateway, http: httpx.AsyncClient, requests: list[tuple[str, str, str, Any]]
) -> None:
    def post(path: str, encoder: str, name: str, changes: Any) -> Any:
        body = edited(ENCODERS[encoder](json.dumps(DOCUMENT if path == INFER else ROW).encode()), changes)
        return http.post(path, content=body, headers={"content-encoding": name})

    assert_documented_over_rest(await asyncio.gather(*(post(*one) for one in requests)))
    await still_answers(served)


HEADER_NAMES = (
    "tidemill-event-time",
    "tidemill-timeout",
    "tidemill-prediction-id",
    "tidemill-protocol",
    "tidemill-caller",
    "authorization",
    "accept-encoding",
    "accept",
    "content-type",
    "traceparent",
    "tracestate",
    "baggage",
    "cookie",
    "te",
    "upgrade",
    "grpc-timeout",
)
HEADER_VALUES = st.sampled_from(["nan", "-1", "1e999", "86401", "2013-03-01T12:00:00Z", "9" * 19, "gzip;q=0.1", "h2c"])
header_values = (HEADER_VALUES | st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40)).map(
    lambda value: "".join(one for one in value if one != "\x7f" and not "\x80" <= one < "\xa0").encode("latin-1")
)
header_sets = st.dictionaries(st.sampled_from(HEADER_NAMES), header_values, max_size=5)


@FUZZ
@given(st.lists(st.tuples(st.sampled_from([INFER, PREDICT]), header_sets), min_size=5, max_size=15))
async def test_any_headers_are_taken_or_refused(
    served: RunningGateway, http: httpx.AsyncClient, requests: list[tuple[str, dict[str, bytes]]]
) -> None:
    def post(path: str, headers: dict[str, bytes]) -> Any:
        return http.post(path, content=json.dumps(DOCUMENT if path == INFER else ROW), headers=headers)

    assert_documented_over_rest(await asyncio.gather(*(post(*one) for one in requests)))
    await still_answers(served)


def _post(*headers: str, body: bytes = b"", line: str = f"POST {INFER} HTTP/1.1") -> bytes:
    return "\r\n".join([line, "Host: localhost", *headers, "", ""]).encode() + body


TLS_HELLO = bytes.fromhex("16030100a5010000a10303") + bytes(range(160))
VALID = _post(f"Content-Length: {len(BODIES[0])}", "Connection: close", body=BODIES[0])
GARBAGE = (
    b"\0" * 100,
    b"\r\n" * 1000,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    TLS_HELLO,
    PREFACE + frame(DATA, 1, 0, b"x") + frame(HEADERS, 4, 2, b"\xff" * 20),
    PREFACE + b"\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    _post("Content-Length: 5", "Content-Length: 6", body=b"hello!"),
    _post("Content-Length: -1"),
    _post("Content-Length: 99999999999999999999999"),
    _post("Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\nx"),
    _post("Transfer-Encoding: chunked", body=b"-1\r\nx\r\n0\r\n\r\n"),
    _post("Transfer-Encoding: chunked", "Content-Length: 3", body=b"0\r\n\r\n"),
    _post("Transfer-Encoding: x"),
    _post("Header without colon"),
    _post("A: b\0c"),
    _post(line="POST /v2/models/%ff%00/infer HTTP/1.1"),
    _post(line="POST http://[::1/v2 HTTP/1.1"),
    _post(line="CONNECT localhost:80 HTTP/1.1"),
    _post(line="OPTIONS * HTTP/1.1"),
    _post(line="get /livez HTTP/1.1"),
)


async def exchange(port: int, sent: bytes, *, half_close: bool = True) -> bytes:
    """What comes back on a connection until its end, which `half_close` asks for; TimeoutError if it is left open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        async with asyncio.timeout(SECONDS):
            with suppress(OSError):
                writer.write(sent)
                await writer.drain()
                if half_close:
                    writer.write_eof()
                answer = await reader.read()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return answer


def answers_of(received: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each HTTP/1 answer, all of which have a content length."""
    found = []
    while received.startswith(b"HTTP/1.") and b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(headers.get("content-length", 0))
        found.append((int(lines[0].split(" ")[1]), rest[:length]))
        received = rest[length:]
    return found


@FUZZ
@given(st.lists(st.sampled_from(GARBAGE) | mutated(VALID, *GARBAGE) | st.binary(max_size=300), min_size=1, max_size=8))
async def test_garbage_on_either_port_is_refused_or_cut_off(served: RunningGateway, sent: list[bytes]) -> None:
    ports = (served.settings.http_port, served.settings.grpc_port)
    received = await asyncio.gather(*(exchange(port, one) for port in ports for one in sent))
    statuses = {status for one in received for status, _ in answers_of(one)}
    assert statuses <= {100, *STATUSES, 414, 431}
    await still_answers(served)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_post(*(f"X-{number}: a" for number in range(200)), "Content-Length: 0"), 431),
        (_post(f"X: {'a' * 1_000_000}", "Content-Length: 0"), 431),
        (_post(line=f"GET /{'a' * 100_000} HTTP/1.1"), 414),
        (_post("Content-Length: -1"), 400),
        (_post("Header without colon"), 400),
    ],
    ids=["headers", "header", "path", "length", "colon"],
)
async def test_what_is_no_http_is_refused_by_its_status(served: RunningGateway, request_: bytes, status: int) -> None:
    [(found, body)] = answers_of(await exchange(served.settings.http_port, request_, half_close=False))
    assert (found, body) == (status, b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_post("Transfer-Encoding: chunked", body=b"x\r\n"), 400),
        (_post("Connection: close", line="CONNECT localhost:80 HTTP/1.1"), 404),
        (_post("Connection: close", line="OPTIONS * HTTP/1.1"), 404),
    ],
    ids=["chunk", "connect", "asterisk"],
)
async def test_what_is_hardly_http_is_refused_with_its_cause(
    served: RunningGateway, request_: bytes, status: int
) -> None:
    [(found, body)] = answers_of(await exchange(served.settings.http_port, request_, half_close=False))
    assert found == status
    assert_is_error(body)


async def test_thousands_of_wrong_requests_leave_no_memory_behind(tmp_path: Path) -> None:
    random = Random(5)
    async with (
        running_gateway(tmp_path, log_queue_rows=1000) as running,
        httpx.AsyncClient(base_url=running.http_url) as client,
        grpc.aio.insecure_channel(running.grpc_url) as channel,
    ):
        await running.serve()

        async def batch() -> None:
            messages = [edited(random.choice((MESSAGE, TYPED)), random_edits(random)) for _ in range(50)]
            bodies = [edited(random.choice(BODIES), random_edits(random)) for _ in range(50)]
            length = {"inference-header-content-length": str(BINARY_HEAD)}
            infer = channel.unary_unary(UNARY)
            await asyncio.gather(*(refused(infer(one, timeout=SECONDS)) for one in messages))
            await asyncio.gather(*(client.post(INFER, content=one) for one in bodies))
            await asyncio.gather(*(client.post(INFER, content=one, headers=length) for one in bodies[:10]))
            port = random.choice((running.settings.http_port, running.settings.grpc_port))
            await asyncio.gather(*(exchange(port, edited(VALID, random_edits(random))) for _ in range(10)))

        process = psutil.Process(os.getpid())
        for _ in range(10):
            await batch()
        await still_answers(running)
        before = process.memory_info().rss
        for _ in range(25):
            await batch()
        await still_answers(running)
        assert process.memory_info().rss - before < GROWTH_BYTES


async def test_every_answer_is_one_that_openapi_documents(served: RunningGateway, tmp_path: Path) -> None:
    arguments = ["--seed=7", "--max-examples=30", "--generation-deterministic", f"{served.http_url}/openapi.json"]
    schemathesis = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        f"--config-file={SCHEMATHESIS}",
        "run",
        *arguments,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await schemathesis.communicate()
    assert schemathesis.returncode == 0, told.decode()
    await still_answers(served)


MODELS = ("flights", "unknown", "%00", "a" * 300, "%2e%2e", "ü")
VERSIONS = ("1", "9", "-1", "x")
EXAMPLES = {"/v1/models/{model}:predict": ROW, "/v1/feedback": LABEL}


async def test_every_answer_to_a_path_of_any_names_is_one_that_openapi_documents(
    served: RunningGateway, http: httpx.AsyncClient
) -> None:
    document = (await http.get("/openapi.json")).raise_for_status().json()
    undocumented = set()
    for path, operations in document["paths"].items():
        addresses = {path.format(model=model, version=version) for model in MODELS for version in VERSIONS}
        body = json.dumps(EXAMPLES.get(path, DOCUMENT))
        for method, operation in operations.items():
            for address in addresses:
                response = await http.request(method, address, content=body if "requestBody" in operation else None)
                if str(response.status_code) not in operation["responses"]:
                    undocumented.add((method, address, response.status_code))
                if response.status_code != 200:
                    assert_is_error(response.content)
    assert undocumented == set()


async def test_every_refusal_that_openapi_documents_is_an_error_with_a_text(
    served: RunningGateway, http: httpx.AsyncClient
) -> None:
    document = (await http.get("/openapi.json")).raise_for_status().json()
    others = [
        (path, status)
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
        and answer.get("content", {}).get("application/json", {}).get("schema", {}).get("required") != ["error"]
    ]
    assert others == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
async def test_a_method_that_openapi_does_not_have_is_refused(
    served: RunningGateway, http: httpx.AsyncClient, method: str
) -> None:
    paths = (await http.get("/openapi.json")).raise_for_status().json()["paths"]
    for path in paths:
        response = await http.request(method, path.format(model="flights", version="1"))
        assert response.status_code == 405, path
        assert_is_error(response.content)
