"""Kafka and the monitor alone, with streams fed to it: what faults are done to it is up to the tests."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
from aiokafka.structs import OffsetAndMetadata
from bus_log import BusLog
from pane_ledger import Counts, Pane, Seen, expected_panes, imbalances, seen, watermark
from tideline import PANE, PANES, START, WINDOW, Sent, Stream, approvals, route, write_pipeline
from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill_contracts import topics
from tidemill_local.broker import consumer
from tidemill_local.logfiles import tail
from tidemill_local.offsets import lags, partitions
from tidemill_local.part import Part, answers_ok
from tidemill_local.stack import Stack
from tidemill_local.waiting import wait_until
from webhook import SECRET, SECRET_VARIABLE, notifiers_file

FIRST, SECOND = "monitor", "monitor-2"
GROUP = "tidemill-monitor"
LEAD = 2 * WINDOW
SECONDS = 120
READ = (topics.MONITOR_WINDOWS, topics.DRIFT_DETECTED, topics.ROLLOUT_EVIDENCE)
CONSUMED = (topics.PREDICTIONS, topics.GROUND_TRUTH, topics.MONITOR_WINDOWS, topics.DRIFT_DETECTED)


class MonitorStack:
    """A stack of Kafka and up to two monitors that watch `models`; they tell the webhook at `hook` of alarms."""

    def __init__(self, folder: Path, port_offset: int, models: Iterable[str], hook: str) -> None:
        self.models = list(models)
        for model in self.models:
            write_pipeline(folder / "pipelines" / model, model)
        settings = {
            "TIDEMILL_FLUSH_SECONDS": "0.2",
            "TIDEMILL_APPROVAL_WAIT_SECONDS": "0.1",
            "TIDEMILL_NOTIFIERS": str(notifiers_file(folder / "notifiers.yaml", hook)),
            SECRET_VARIABLE: SECRET,
        }
        self.stack = Stack(folder / "stack", port_offset, pipelines=folder / "pipelines", env=settings)
        self.log = BusLog(self.stack.bootstrap, [*READ, *map(topics.dead_letter, CONSUMED)])
        self.http = httpx.AsyncClient(timeout=10)

    async def __aenter__(self) -> Self:
        try:
            self.stack.up(["kafka"])
            await self.log.__aenter__()
            for model in self.models:
                for approved in approvals(model):
                    await self.log.send(topics.MODEL_APPROVED, approved, key=model)
                await self.log.send(topics.ROUTES, route(model), key=model)
        except BaseException:
            self.stack.down()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()
        await self.log.__aexit__()
        self.stack.down()

    def launch(self, worker: str = FIRST, failpoint: str = "") -> None:
        """Start a monitor, to die at `failpoint` if one is given, and do not wait for it."""
        self.stack.processes.spawn(self._part(worker, failpoint))

    def start(self, worker: str = FIRST) -> None:
        """Start a monitor and wait until it has its partitions."""
        self.launch(worker)
        self.ready(worker)

    def ready(self, worker: str) -> None:
        """Wait until a monitor has its partitions."""
        part = self._part(worker)
        wait_until(lambda: part.is_ready() or not self.lives(worker), SECONDS)
        assert part.is_ready(), f"{worker} has ended: {tail(self.stack.home.log(worker))}"

    def stop(self, worker: str = FIRST) -> None:
        """SIGTERM; it must end by itself."""
        assert self.stack.processes.stop(worker, self._part(worker).stop_seconds), f"{worker} did not end by itself"

    def kill(self, worker: str = FIRST) -> None:
        """SIGKILL."""
        self.stack.kill(worker)

    def lives(self, worker: str = FIRST) -> bool:
        return self.stack.is_running(worker)

    async def send(self, messages: Iterable[Sent]) -> None:
        """Send messages in their order within each partition and topic; returns when Kafka has them."""
        await asyncio.gather(*(self.log.send(_topic(one), one.data, partition=one.partition) for one in messages))

    async def feed(self, stream: Stream, first: int = 0, last: int = PANES, *, paced: bool = True) -> None:
        """Send the panes `first` to before `last`: truths before what is predicted after they are known.

        `paced`: never more than `LEAD` ahead of what the monitor has told, as time is where nobody replays it.
        """
        for pane, messages in enumerate(stream.steps(first, last), first):
            await self.send(one for one in messages if not isinstance(one.data, PredictionBatch))
            await self.send(one for one in messages if isinstance(one.data, PredictionBatch))
            if paced:
                await self.reaches(stream.model, START + pane * PANE - LEAD)

    async def feed_to_death(self, stream: Stream, first: int) -> int:
        """Feed panes from `first` on until the first monitor has died; the number of the pane that was not sent."""

        async def is_dead() -> bool:
            return not self.lives()

        for pane in range(first, PANES):
            await self.feed(stream, pane, pane + 1, paced=False)

            async def goes_on(at: int = START + pane * PANE - LEAD) -> bool:
                await self.log.refresh()
                return not self.lives() or watermark(self.log, stream.model) >= at

            await until(goes_on, f"the monitor dies, or reads pane {pane}")
            if not self.lives():
                return pane + 1
        await until(is_dead, "the monitor dies")
        return PANES

    async def rewind(self) -> None:
        """Have everything read again from the beginning by monitors that are started next; none may run now."""
        async with consumer(self.stack.bootstrap, GROUP) as client:
            places = await partitions(self.stack.bootstrap, *CONSUMED[:3])
            client.assign(places)
            await client.commit({place: OffsetAndMetadata(0, "") for place in places})

    async def reaches(self, model: str, at: int) -> None:
        """Wait until every partition of a model has told an event time of at least `at`."""

        async def reached() -> bool:
            await self.log.refresh()
            return watermark(self.log, model) >= at

        if at > START:
            await until(reached, f"{model} reaches pane {(at - START) / PANE:g}")

    async def read(self) -> None:
        """Wait until the monitors have read, stored and told all that was sent."""

        async def nothing_is_left() -> bool:
            behind = await lags(self.stack.bootstrap)
            return not any(one.messages for one in behind if one.group == GROUP)

        await until(nothing_is_left, "the monitors have read everything")

    async def balanced(self, stream: Stream, like: Seen | None = None, panes: dict[Pane, Counts] | None = None) -> Seen:
        """Wait until the ledger of a stream balances, with events as those of the stream it is `like`."""
        found: list[str] = []
        wanted = expected_panes(stream) if panes is None else panes

        async def balances() -> bool:
            nonlocal found
            await self.log.refresh()
            found = imbalances(self.log, stream.model, wanted, like)
            return not found

        try:
            await until(balances, "the ledger balances")
        except TimeoutError:
            raise AssertionError(f"{len(found)} imbalances of {stream.model}: " + "; ".join(found[:8])) from None
        await self.read()
        await self.log.refresh()
        return seen(self.log, stream.model)

    async def windows(self, model: str) -> list[dict[str, Any]]:
        """What the monitor that evaluates a model says of its windows, the oldest first."""
        answer = (await self._get(f"/v1/models/{model}/windows?limit=400")).json()
        return list(reversed(answer["windows"]))

    async def alarms(self, model: str) -> list[dict[str, Any]]:
        """Its alarms, the newest first."""
        return list((await self._get(f"/v1/models/{model}/drift")).json()["alarms"])

    async def counter(self, name: str, **labels: str) -> float:
        """A counter of the first monitor, since its start."""
        text = (await self.http.get(self.stack.http_url(FIRST) + "/metrics")).text
        for line in text.splitlines():
            head, _, value = line.rpartition(" ")
            if head.startswith(name + "{") and all(f'{key}="{one}"' in head for key, one in labels.items()):
                return float(value)
        return 0.0

    def _part(self, worker: str, failpoint: str = "") -> Part:
        part = self.stack.part(FIRST, {"TIDEMILL_FAILPOINT": failpoint} if failpoint else None)
        port = self._port(worker)
        return replace(
            part,
            name=worker,
            environment={**part.environment, "TIDEMILL_HTTP_PORT": str(port)},
            ports=(port,),
            is_ready=lambda: answers_ok(port, "/readyz"),
        )

    def _port(self, worker: str) -> int:
        return self.stack.ports[FIRST] + (worker == SECOND)

    async def _get(self, path: str) -> httpx.Response:
        """From the monitor that can say."""
        answers = [
            await self.http.get(f"http://127.0.0.1:{self._port(worker)}{path}")
            for worker in (FIRST, SECOND)
            if self.lives(worker)
        ]
        return next((one for one in answers if one.status_code == 200), answers[0])


def _topic(sent: Sent) -> str:
    return topics.PREDICTIONS if isinstance(sent.data, PredictionBatch) else topics.GROUND_TRUTH


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until the condition holds; TimeoutError says what did not happen."""
    deadline = time.monotonic() + SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {SECONDS:g} s: {what}")
        await asyncio.sleep(0.1)
