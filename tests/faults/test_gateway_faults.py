"""The gateway under faults, with callers that never pause: what they see is asserted, not what happens inside."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import grpc.aio
import httpx
import numpy as np
import pytest
from bus_log import BusLog
from gateway_load import INPUT, OK, Load, Outcome, Probe, eventually, metric, routes, until
from onnx import TensorProto, helper
from onnx_models import Model, Values, identity, slow
from routing import router
from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill_contracts import topics
from tidemill_local.stack import Stack
from tritonclient.grpc import service_pb2, service_pb2_grpc

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200)]

PORT_OFFSET = int(os.environ.get("TIDEMILL_TEST_PORT_OFFSET", "2000")) + 800
PIPELINES = Path(__file__).parents[1] / "pipelines"
PARTS = ("kafka", "triton", "gateway")
INFER_SECONDS = 2.0
SETTINGS = {
    "TIDEMILL_INFER_SECONDS": str(INFER_SECONDS),
    "TIDEMILL_CANDIDATE_SECONDS": "0.3",
    "TIDEMILL_DRAIN_SECONDS": "600",  # what is unloaded sooner has no request under way
}
SWAP_SECONDS = 60 if os.environ.get("TIDEMILL_LONG_TESTS") else 20
MARGIN = 0.5
RECOVERY_SECONDS = 10
GROWTH_BYTES = 8 << 20
STALLED = 20
GOLDEN_REQUESTS = 10
"""More than a version is proven with."""
OUTPUT = "OUTPUT0"
UNLOGGED = {"log": {"sample": 0.0}}
NUMBERS = Values(INPUT, "INT64", np.array([[0], [1], [2]]))
TEXTS = Values(INPUT, "BYTES", np.array([[b"a"], [b""]], np.object_))
TABLE = 8
"""The failing model fails for numbers that are not less."""
ROUNDS = 1_000_000
"""The slow model takes longer for so many than a candidate is given."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Triton and a gateway, without PostgreSQL; `steady` returns a number, `large` a text."""
    stack = Stack(tmp_path_factory.mktemp("faults"), PORT_OFFSET, pipelines=PIPELINES, env=SETTINGS)
    try:
        stack.up(PARTS)
        asyncio.run(serve(stack, "steady", {1: identity(NUMBERS, OUTPUT)}))
        asyncio.run(serve(stack, "large", {1: large()}))
        yield stack
    finally:
        stack.down()


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The stack with all its parts running, whatever the test before did to it."""
    for name in PARTS:
        running.start(name)
    return running


@pytest.fixture
def second_triton(stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """A second Triton over the same model repository, which the gateway uses as it uses the first."""
    models = stack.home.folder("triton/models")
    second = Stack(tmp_path / "second", PORT_OFFSET + 40, pipelines=PIPELINES)
    (second.home.folder("triton") / "models").symlink_to(models)
    try:
        second.up(["triton"])
        stack.stop("gateway")
        both = ",".join(f"127.0.0.1:{one.ports['triton-grpc']}" for one in (stack, second))
        stack.start("gateway", {"TIDEMILL_TRITON_URL": both})
        yield second
    finally:
        stack.stop("gateway")
        second.down()


async def serve(
    stack: Stack, model: str, versions: dict[int, Model], *, epoch: int = 1, sticky_header: str = ""
) -> dict[int, str]:
    """Route `model` to `versions` with equal weights, the champion first, and wait; their digests."""
    async with router(stack) as routing:
        digests = {number: await routing.store(model, one) for number, one in versions.items()}
        arms = [(number, digest, 1.0) for number, digest in digests.items()]
        await routing.route(model, epoch, arms, sticky_header=sticky_header)
        await until_epoch(stack, model, epoch)
    return digests


async def until_epoch(stack: Stack, model: str, epoch: int) -> None:
    async def in_effect() -> bool:
        known = (await routes(stack)).get(model)
        return known is not None and known["epoch"] == epoch and not known["behind"]

    await eventually(in_effect, f"epoch {epoch} of {model} in effect")


def clear_refusals(failures: list[Outcome]) -> list[Outcome]:
    """Those that are not: not 503 or 504, without a cause, or later than the deadline."""
    return [
        one for one in failures if one.status not in (503, 504) or not one.error or one.seconds > INFER_SECONDS + MARGIN
    ]


async def test_a_killed_triton_fails_requests_only_while_it_is_away(stack: Stack) -> None:
    gateway = stack.processes.main("gateway")
    async with Probe(stack, "/metrics") as metrics, Load(stack, "steady") as load:
        await load.answered(100)
        killed = time.monotonic()
        await asyncio.to_thread(stack.kill, "triton")
        await load.failed(20)
        await asyncio.to_thread(stack.start, "triton")
        started = time.monotonic()
        await load.answered(200)
        recovered = time.monotonic()
        await load.answered(200)
    assert [one for one in load.failures if one.ended < killed or one.began > started + RECOVERY_SECONDS] == []
    assert [one for one in load.failures if one.began > recovered] == []
    assert clear_refusals(load.failures) == []
    assert metrics.slower_than(INFER_SECONDS) == []
    assert stack.processes.main("gateway") == gateway


async def test_a_hung_triton_costs_no_more_than_the_deadline_and_then_no_time_at_all(stack: Stack) -> None:
    async with Probe(stack, "/livez") as livez, Load(stack, "steady", callers=3) as load:
        await load.answered(100)
        with suspended(stack, "triton"):
            hung = time.monotonic()
            await load.failed(6, seconds=2 * INFER_SECONDS)
            await until_failures_are_quick(load)
        continued = time.monotonic()
        await load.answered(200, RECOVERY_SECONDS)
        recovered = time.monotonic()
        await load.answered(200)
    assert [one for one in load.failures if one.ended < hung or one.began > recovered] == []
    assert recovered - continued < RECOVERY_SECONDS
    assert clear_refusals(load.failures) == []
    assert {one.status for one in load.failures} == {503, 504}
    assert livez.slower_than(1) == []


async def until_failures_are_quick(load: Load) -> None:
    """Wait until a hundred fail in less time than one of them was given."""

    async def are_quick() -> bool:
        with suppress(TimeoutError):
            await load.failed(100, seconds=INFER_SECONDS / 2)
            return True
        return False

    await eventually(are_quick, "failures are quick", 5 * INFER_SECONDS)


@contextmanager
def suspended(stack: Stack, name: str) -> Iterator[None]:
    """SIGSTOP to all of a part's processes, the parent first; at the end SIGCONT, the parent last."""
    processes = stack.processes.find(name)
    try:
        for process in processes:
            process.suspend()
        yield
    finally:
        for process in reversed(processes):
            process.resume()


async def test_without_kafka_it_serves_on_and_keeps_what_it_has_to_log(stack: Stack) -> None:
    async with Load(stack, "steady") as load:
        await load.answered(100)
        await asyncio.to_thread(stack.stop, "kafka")
        stopped = len(load.answers)

        async def predictions_wait() -> bool:
            return await metric(stack, "log_queue_rows") > 100

        await eventually(predictions_wait, "predictions wait for Kafka")
        await load.answered(300)
        kept = len(load.answers)
        await asyncio.to_thread(stack.start, "kafka")
        await load.answered(100)
    assert load.failures == []
    sent = [one.prediction_id for one in load.answers]
    dropped = await metric(stack, "log_drops_total")
    async with BusLog(stack.bootstrap, [topics.PREDICTIONS]) as log:

        async def are_logged() -> bool:
            logged = await logged_predictions(log)
            return set(sent[kept:]) <= logged and len(set(sent) - logged) <= dropped

        await eventually(are_logged, f"{len(sent)} predictions logged, {kept - stopped} of them made without Kafka")


async def logged_predictions(log: BusLog) -> set[str]:
    await log.refresh()
    batches = (log.parsed(record, PredictionBatch) for record in log.records(topics.PREDICTIONS))
    return {one for batch in batches for one in batch.prediction_ids}


async def test_after_kill_nine_a_gateway_has_its_routes_and_every_caller_its_version(stack: Stack) -> None:
    model = identity(NUMBERS, OUTPUT)
    await serve(stack, "sticky", {1: model, 2: model}, sticky_header="tidemill-user")
    before, routed = await versions_by_key(stack), await routes(stack)
    gateway = stack.processes.main("gateway")
    await asyncio.to_thread(stack.kill, "gateway")
    await asyncio.to_thread(stack.start, "gateway")
    assert stack.processes.main("gateway") != gateway
    assert await routes(stack) == routed
    assert await versions_by_key(stack) == before
    assert set(before.values()) == {1, 2}


async def versions_by_key(stack: Stack) -> dict[str, int]:
    """The version that answers each of 200 callers."""
    found = {}
    tensor = {"name": INPUT, "datatype": "INT64", "shape": [1, 1], "data": [1]}
    async with httpx.AsyncClient(base_url=stack.http_url("gateway")) as client:
        for key in (f"user-{number}" for number in range(200)):
            answer = await client.post(
                "/v2/models/sticky/infer", json={"inputs": [tensor]}, headers={"tidemill-user": key}
            )
            found[key] = int(answer.raise_for_status().json()["model_version"])
    return found


async def test_slow_and_vanishing_callers_cost_others_nothing(stack: Stack) -> None:
    gateway = stack.processes.main("gateway")
    assert gateway
    async with Load(stack, "steady") as load:
        await be_rude(stack, load)  # all the memory that it takes at once is had by then
        await load.answered(500)
        resident, connections = gateway.memory_info().rss, await metric(stack, "open_connections")
        await be_rude(stack, load)

        async def is_as_before() -> bool:
            return (
                await metric(stack, "open_connections") <= connections
                and gateway.memory_info().rss < resident + GROWTH_BYTES
            )

        try:
            await eventually(is_as_before, "connections and memory as before", RECOVERY_SECONDS)
        except TimeoutError:
            grown = gateway.memory_info().rss - resident
            more = await metric(stack, "open_connections") - connections
            raise AssertionError(f"{grown >> 10} KiB and {more:g} connections more than before") from None
        await serve(stack, "large", {2: large()}, epoch=2)
        repository = stack.home.folder("triton/models")
        await until(lambda: not (repository / "large-v1").exists(), "no request is left on version 1", RECOVERY_SECONDS)
    assert load.failures == []


async def be_rude(stack: Stack, load: Load) -> None:
    """Everything a caller should not do, while others are answered."""
    slow_body = asyncio.create_task(drip(stack, load))
    stalled = await ask_and_read_nothing(stack, STALLED)
    await load.answered(100)
    for number in range(200):
        await vanish(stack, number)
    await cancel_calls(stack, 50)
    await load.answered(100)
    assert (await slow_body).startswith(b"HTTP/1.1 504 ")
    for one in stalled:
        one.close()


def large() -> Model:
    """Returns a text; its predictions are not logged, for the log needs memory of its own."""
    return replace(identity(TEXTS, OUTPUT), serving=UNLOGGED)


def large_request(stack: Stack) -> bytes:
    """A request that is answered with as much: 1 MiB."""
    text = b"x" * (1 << 20)
    tensor = b'{"name": "INPUT0", "datatype": "BYTES", "shape": [1, 1], "data": ["' + text + b'"]}'
    body = b'{"inputs": [' + tensor + b"]}"
    return large_head(stack, len(body)) + body


def large_head(stack: Stack, length: int) -> bytes:
    host = f"127.0.0.1:{stack.ports['gateway']}"
    return f"POST /v2/models/large/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode()


async def drip(stack: Stack, load: Load) -> bytes:
    """Send a body byte by byte, slower than others are answered; the first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.ports["gateway"])
    writer.write(large_head(stack, 100_000))
    answer = asyncio.create_task(reader.readline())
    while not answer.done():
        writer.write(b" ")
        await load.answered(1)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return answer.result()


async def ask_and_read_nothing(stack: Stack, count: int) -> list[socket.socket]:
    """Connections whose large requests are answered, and nobody reads the answers."""
    answered = await metric(stack, "requests_total", model="large", code="200")
    connections = [await connected(stack.ports["gateway"], receive_buffer=4096) for _ in range(count)]
    for connection in connections:
        await asyncio.get_running_loop().sock_sendall(connection, large_request(stack))

    async def are_answered() -> bool:
        return await metric(stack, "requests_total", model="large", code="200") >= answered + count

    await eventually(are_answered, "the large requests are answered")
    return connections


async def vanish(stack: Stack, number: int) -> None:
    """Connect, send what breaks off somewhere, and go without a word or with a reset."""
    whole = (
        large_head(stack, 80) + b'{"inputs": [{"name": "INPUT0", "datatype": "BYTES", "shape": [1, 1], "data": ["a"]}]}'
    )
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    sent = (b"", whole[:30], whole[:-40], whole, preface)[number % 5]
    port = stack.ports["gateway-grpc" if sent == preface else "gateway"]
    connection = await connected(port)
    await asyncio.get_running_loop().sock_sendall(connection, sent)
    if number % 2:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


async def connected(port: int, receive_buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def cancel_calls(stack: Stack, count: int) -> None:
    """Call over gRPC and cancel each call before it is answered, if that is soon enough."""
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name=INPUT, datatype="BYTES", shape=[1, 1])
    raw = (1 << 16).to_bytes(4, "little") + b"x" * (1 << 16)
    request = service_pb2.ModelInferRequest(model_name="large", inputs=[tensor], raw_input_contents=[raw])
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.ports['gateway-grpc']}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        await stub.ModelInfer(request)
        for _ in range(count):
            call = stub.ModelInfer(request)
            await asyncio.wait({asyncio.ensure_future(call.wait_for_connection())}, timeout=0.001)
            call.cancel()


async def test_routes_that_change_every_second_fail_no_request(stack: Stack) -> None:
    """Epoch e has versions e and e + 1, the latter new."""
    name, epoch = "swapped", 1
    model = identity(NUMBERS, OUTPUT)
    digest = (await serve(stack, name, {1: model, 2: model}))[1]
    published = [(time.monotonic(), epoch)]
    async with router(stack) as routing, Watch(stack, name) as watch, Load(stack, name) as load:
        begun = time.monotonic()
        while time.monotonic() < begun + SWAP_SECONDS:
            epoch += 1
            published.append((time.monotonic(), epoch))
            await routing.route(name, epoch, [(epoch, digest, 1.0), (epoch + 1, digest, 1.0)])
            due = begun + epoch - 1
            await until(lambda due=due: time.monotonic() >= due, "a second has passed")
        await until_epoch(stack, name, epoch)
        await load.answered(100)
    assert load.failures == []
    assert [one for one in load.answers if not watch.was_routed(one, published)] == []
    assert len({one.version for one in load.answers}) > SWAP_SECONDS / 3
    last = {f"{name}-v{epoch}", f"{name}-v{epoch + 1}"}

    async def others_are_unloaded() -> bool:
        return {one for one in await loaded(stack) if one.startswith(f"{name}-")} == last

    await eventually(others_are_unloaded, "versions that are not routed are unloaded", RECOVERY_SECONDS)


@dataclass
class Watch:
    """Which epochs were in effect when, at the least: (seconds, epoch); a context."""

    stack: Stack
    model: str
    seen: list[tuple[float, int]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def was_routed(self, answer: Outcome, published: list[tuple[float, int]]) -> bool:
        """Whether an epoch from the one in effect at the answer's start to the newest at its end has its version."""
        first = max((epoch for at, epoch in self.seen if at <= answer.began), default=1)
        last = max(epoch for at, epoch in published if at <= answer.ended)
        return first <= answer.version <= last + 1

    async def _run(self) -> None:
        while True:
            epoch = (await routes(self.stack))[self.model]["epoch"]
            self.seen.append((time.monotonic(), epoch))
            await asyncio.sleep(0.05)


async def loaded(stack: Stack) -> set[str]:
    """What Triton has ready, by its own word."""
    async with httpx.AsyncClient(base_url=stack.http_url("triton-http")) as client:
        answer = await client.post("/v2/repository/index", json={"ready": True})
    return {one["name"] for one in answer.raise_for_status().json()}


def failing() -> Model:
    """Returns a number if it is less than `TABLE`, else the model server has an error."""
    table = helper.make_tensor("table", TensorProto.INT64, [TABLE], list(range(TABLE)))
    nodes = [helper.make_node("Gather", ["table", INPUT], [OUTPUT])]
    return Model(nodes, [NUMBERS], [Values(OUTPUT, "INT64", NUMBERS.array)], [table])


@pytest.mark.parametrize(
    ("trouble", "candidate", "value"),
    [("failing", failing(), TABLE), ("hanging", slow(NUMBERS, OUTPUT), ROUNDS)],
    ids=["failing", "hanging"],
)
async def test_callers_do_not_notice_a_candidate_in_trouble(
    stack: Stack, trouble: str, candidate: Model, value: int
) -> None:
    await serve(stack, trouble, {1: identity(NUMBERS, OUTPUT), 2: candidate})

    async def are_counted() -> bool:
        return await metric(stack, "fallbacks_total", model=trouble, version="2") >= 20

    async with Load(stack, trouble, value, callers=4) as load:
        await eventually(are_counted, "20 fallbacks")
        await load.answered(20)
    assert load.failures == []
    assert {one.version for one in load.answers} == {1}
    assert max(one.seconds for one in load.answers) < INFER_SECONDS


async def test_of_two_tritons_either_may_die_and_no_request_fails(stack: Stack, second_triton: Stack) -> None:
    async with Load(stack, "steady") as load:
        await load.answered(200)
        await until_it_answers(second_triton)
        await asyncio.to_thread(second_triton.kill, "triton")
        await load.answered(300)
        await asyncio.to_thread(second_triton.start, "triton")
        await until_it_answers(second_triton)
        await asyncio.to_thread(stack.kill, "triton")
        await load.answered(300)
    assert load.failures == []


async def until_it_answers(triton: Stack) -> None:
    """Wait until the gateway's requests come to this Triton."""

    async def has_answered() -> bool:
        async with httpx.AsyncClient(base_url=triton.http_url("triton-http")) as client:
            answer = await client.get("/v2/models/steady-v1/stats")
        return answer.status_code == OK and answer.json()["model_stats"][0]["inference_count"] > GOLDEN_REQUESTS

    await eventually(has_answered, "a Triton answers the gateway's requests")
