"""Callers of a stack's gateway that ask again as soon as they are answered, and what they saw."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import grpc.aio
import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from tidemill_local.stack import Stack
from tritonclient.grpc import service_pb2, service_pb2_grpc

INPUT = "INPUT0"
SECONDS = 30.0
OK = 200
_STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


@dataclass(frozen=True)
class Outcome:
    """A request as its caller saw it: times of one clock in seconds, HTTP status or its gRPC equal, 0 for no answer."""

    began: float
    ended: float
    status: int
    error: str = ""
    version: int = 0
    prediction_id: str = ""

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Load:
    """`callers` over REST and as many over gRPC ask `model`, whose input is one INT64, for `value`; a context."""

    stack: Stack
    model: str
    value: int = 1
    callers: int = 2
    answers: list[Outcome] = field(default_factory=list)
    failures: list[Outcome] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        ways = [self._over_rest, self._over_grpc] * self.callers
        self._tasks = [asyncio.create_task(way()) for way in ways]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        broken = [one for one in ended if not isinstance(one, asyncio.CancelledError)]
        assert broken == [], f"a caller broke down: {broken}"

    async def answered(self, more: int, seconds: float = SECONDS) -> None:
        """Wait until `more` further requests are answered; TimeoutError."""
        wanted = len(self.answers) + more
        await until(lambda: len(self.answers) >= wanted, f"{more} answers more", seconds)

    async def failed(self, more: int, seconds: float = SECONDS) -> None:
        """Wait until `more` further requests have failed; TimeoutError."""
        wanted = len(self.failures) + more
        await until(lambda: len(self.failures) >= wanted, f"{more} failures more", seconds)

    async def _over_rest(self) -> None:
        tensor = {"name": INPUT, "datatype": "INT64", "shape": [1, 1], "data": [self.value]}
        async with httpx.AsyncClient(base_url=self.stack.http_url("gateway"), timeout=SECONDS) as client:

            async def ask(began: float) -> Outcome:
                try:
                    response = await client.post(f"/v2/models/{self.model}/infer", json={"inputs": [tensor]})
                    document = response.json()
                except (httpx.HTTPError, ValueError) as error:
                    return Outcome(began, time.monotonic(), 0, repr(error))
                if response.status_code != OK:
                    return Outcome(began, time.monotonic(), response.status_code, document["error"])
                prediction_id = document["parameters"]["prediction_id"]
                return Outcome(began, time.monotonic(), OK, "", int(document["model_version"]), prediction_id)

            await self._again_and_again(ask)

    async def _over_grpc(self) -> None:
        tensor = service_pb2.ModelInferRequest.InferInputTensor(name=INPUT, datatype="INT64", shape=[1, 1])
        raw = np.array([self.value], "<i8").tobytes()
        request = service_pb2.ModelInferRequest(model_name=self.model, inputs=[tensor], raw_input_contents=[raw])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.stack.ports['gateway-grpc']}") as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

            async def ask(began: float) -> Outcome:
                try:
                    answer = await stub.ModelInfer(request)
                except grpc.aio.AioRpcError as error:
                    return Outcome(began, time.monotonic(), _STATUSES.get(error.code(), 0), error.details() or "")
                prediction_id = answer.parameters["prediction_id"].string_param
                return Outcome(began, time.monotonic(), OK, "", int(answer.model_version), prediction_id)

            await self._again_and_again(ask)

    async def _again_and_again(self, ask: Callable[[float], Awaitable[Outcome]]) -> None:
        while True:
            outcome = await ask(time.monotonic())
            (self.answers if outcome.status == OK else self.failures).append(outcome)


@dataclass
class Probe:
    """Asks the gateway's `path` all the time; a context."""

    stack: Stack
    path: str
    outcomes: list[Outcome] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def slower_than(self, seconds: float) -> list[Outcome]:
        """What was not answered with 200 within `seconds`."""
        return [one for one in self.outcomes if one.status != OK or one.seconds > seconds]

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self.stack.http_url("gateway"), timeout=SECONDS) as client:
            while True:
                began = time.monotonic()
                try:
                    status, text = await _get(client, self.path)
                except httpx.HTTPError as error:
                    status, text = 0, repr(error)
                self.outcomes.append(Outcome(began, time.monotonic(), status, "" if status == OK else text))
                await asyncio.sleep(0.05)


async def metric(stack: Stack, name: str, **labels: str) -> float:
    """The sum of the gateway's samples `tidemill_gateway_<name>` with these labels."""
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        text = (await client.get(f"{stack.http_url('gateway')}/metrics")).raise_for_status().text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"tidemill_gateway_{name}" and labels.items() <= sample.labels.items()
    )


async def routes(stack: Stack) -> dict[str, Any]:
    """The gateway's routes by model, asked for without holding up callers."""
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        answer = await client.get(f"{stack.http_url('gateway')}/v1/routes")
    return dict(answer.raise_for_status().json()["models"])


async def until(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait until `condition` holds; TimeoutError says what did not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.02)


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = SECONDS) -> None:
    """Wait until `condition` comes true; TimeoutError says what did not happen."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.05)


async def _get(client: httpx.AsyncClient, path: str) -> tuple[int, str]:
    response = await client.get(path)
    return response.status_code, response.text
