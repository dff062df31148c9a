"""Watches the loop's events on Kafka and says whether a retraining is under way."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer
from tidemill.v1 import data_pb2, model_pb2, monitoring_pb2, training_pb2
from tidemill_contracts import topics

from tidemill_local.commands.words import plain
from tidemill_local.stack import Stack

MESSAGES: dict[str, type[Any]] = {
    topics.DATA_ARRIVED: data_pb2.DataArrived,
    topics.MODEL_TRAINED: training_pb2.ModelTrained,
    topics.MODEL_APPROVED: model_pb2.ModelApproved,
    topics.DRIFT_DETECTED: monitoring_pb2.DriftDetected,
    topics.ROLLOUTS: model_pb2.RolloutChanged,
}
SETTLE_SECONDS = 2.0
"""From drift to the run it starts, and from a run's end or a release's step to the route, the loop needs a moment."""


@dataclass(frozen=True)
class Mark:
    """Something that happened, `at` in the flights' time: drift, trained, approved, rejected, release or swapped."""

    kind: str
    at: datetime
    text: str


@dataclass
class LoopState:
    """What is known of the loop."""

    marks: list[Mark] = field(default_factory=list)
    alarms: list[monitoring_pb2.DriftDetected] = field(default_factory=list)
    releases: list[model_pb2.RolloutChanged] = field(default_factory=list)
    data_version: int = 0
    data_rows: int = 0
    champion: int = 0
    trainings: int = 0
    training: bool = False
    settling_until: float = 0.0

    def count(self, kind: str) -> int:
        return sum(mark.kind == kind for mark in self.marks)


class Watcher:
    """Follows the topics and the gateway's routes. `clock` tells the flights' time."""

    def __init__(self, stack: Stack, clock: Callable[[], datetime]) -> None:
        self._kafka = AIOKafkaConsumer(*MESSAGES, bootstrap_servers=stack.bootstrap, auto_offset_reset="earliest")
        self._http = httpx.AsyncClient(timeout=5)
        self._trainer_url = stack.http_url("trainer")
        self._registry_url = stack.http_url("registry")
        self._gateway_url = stack.http_url("gateway")
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []
        self.state = LoopState()

    async def start(self) -> None:
        await self._kafka.start()
        followers = (self._follow_topics(), self._follow_runs(), self._follow_routes())
        self._tasks = [asyncio.create_task(follower) for follower in followers]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._kafka.stop()
        await self._http.aclose()

    @property
    def retraining(self) -> bool:
        """Whether a retraining is under way: from the drift until the new version serves or is refused."""
        self.check()
        return self.state.training or time.monotonic() < self.state.settling_until

    def check(self) -> None:
        """Raise what ended a follower."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def _follow_topics(self) -> None:
        async for message in self._kafka:
            await self._see(message.topic, MESSAGES[message.topic].FromString(message.value))

    async def _see(self, topic: str, event: Any) -> None:
        if topic == topics.DATA_ARRIVED:
            self.state.data_version, self.state.data_rows = event.version, event.rows
        elif topic == topics.DRIFT_DETECTED:
            self._mark("drift", event.reason)
            self.state.alarms.append(event)
            if event.action == monitoring_pb2.DRIFT_ACTION_RETRAIN:
                self._settle()
        elif topic == topics.MODEL_TRAINED:
            self.state.trainings += 1
            self._mark(
                "trained", f"{event.winner.name}, {event.train_rows:,} rows, data version {event.lineage.data_version}"
            )
            await self._await_verdict(event.run_id)
        elif topic == topics.MODEL_APPROVED:
            self._mark("approved", f"version {event.version}: {event.reason}")
        elif topic == topics.ROLLOUTS:
            self.state.releases.append(event)
            if event.trigger in ("start", "advance"):
                self._settle()
            share = f" at {event.share:.0%}" if 0 < event.share < 1 else ""
            self._mark("release", f"version {event.version} {plain(event.phase)}{share}: {event.reason}")

    async def _await_verdict(self, run_id: str) -> None:
        url = f"{self._registry_url}/v1/models/flights/versions?limit=5"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            response = await self._http.get(url)
            found = [row for row in response.json() if row["run_id"] == run_id] if response.is_success else []
            if found:
                if found[0]["state"] == "rejected":
                    self._mark("rejected", f"version {found[0]['version']}: {found[0]['reason']}")
                return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"the registry has no verdict on training run {run_id}; see its log")

    async def _follow_runs(self) -> None:
        while True:
            with suppress(httpx.HTTPError):
                runs = (await self._http.get(f"{self._trainer_url}/v1/runs")).json()
                training = any(run["state"] in ("queued", "running") for run in runs)
                if self.state.training and not training:
                    self._settle()
                self.state.training = training
            await asyncio.sleep(0.2)

    async def _follow_routes(self) -> None:
        while True:
            with suppress(httpx.HTTPError):
                champion = serving_version((await self._http.get(f"{self._gateway_url}/v1/routes")).json())
                if champion and champion != self.state.champion:
                    self._mark("swapped", f"version {champion} serves")
                    self.state.champion = champion
            await asyncio.sleep(0.2)

    def _settle(self) -> None:
        self.state.settling_until = time.monotonic() + SETTLE_SECONDS

    def _mark(self, kind: str, text: str) -> None:
        self.state.marks.append(Mark(kind, self._clock(), text))


def serving_version(routes: Any) -> int:
    """The champion in the gateway's answer to `GET /v1/routes`, 0 if none."""
    arms = routes["models"].get("flights", {}).get("arms", [])
    return int(arms[0]["version"]) if arms else 0
