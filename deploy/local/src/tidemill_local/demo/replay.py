"""Replays the year through the loop, on a clock that is much faster than the world's and slow while a model trains."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tidemill_local.demo.clients import Application, Producers
from tidemill_local.demo.consumers import Consumers
from tidemill_local.demo.timeline import FIRST_PREDICTION, Tick
from tidemill_local.demo.watch import Watcher

IN_FLIGHT = 4
FLUSH_TICKS = 24


@dataclass(frozen=True)
class Pace:
    """Ticks a second: normally, and while a model trains."""

    usual: float
    retraining: float


@dataclass
class Predicted:
    """Predictions so far, as columns, and the ids by which truths find them."""

    flights: list[str] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)


class Replay:
    """One replay. The clock stops while the consumers are far behind: in the flights' time they never are."""

    def __init__(
        self,
        application: Application,
        producers: Producers,
        watcher: Watcher,
        pace: Pace,
        consumers: Consumers,
    ) -> None:
        self._application = application
        self._producers = producers
        self._watcher = watcher
        self._pace = pace
        self._consumers = consumers
        self._asked: dict[str, asyncio.Task[None]] = {}
        self.now = FIRST_PREDICTION
        self.predicted = Predicted()
        self.records = 0
        self.truths = 0

    async def history(self, ticks: Sequence[Tick]) -> None:
        """Push what happened before the first prediction, as fast as the loop takes it."""
        for number, tick in enumerate(ticks):
            await self._push(tick)
            await self._tell(tick)
            if number % FLUSH_TICKS == 0:
                await self._producers.flush()
        await self._producers.flush()

    async def live(self, ticks: Sequence[Tick]) -> None:
        """From the first prediction on: push, ask, and tell the truth when it is known."""
        due = time.monotonic()
        for tick in ticks:
            self.now = tick.start
            await self._push(tick)
            if tick.features.height:
                await self._ask(tick)
            await self._tell(tick)
            await self._consumers.keep_up()
            due = max(due + 1 / self._speed(), time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*self._asked.values())
        await self._producers.flush()

    def _speed(self) -> float:
        return self._pace.retraining if self._watcher.retraining else self._pace.usual

    async def _push(self, tick: Tick) -> None:
        await self._producers.records("weather", tick.weather)
        await self._producers.records("flights", tick.flights)
        self.records += len(tick.weather) + len(tick.flights)

    async def _ask(self, tick: Tick) -> None:
        while len(running := {task for task in self._asked.values() if not task.done()}) >= IN_FLIGHT:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._predict(tick))
        self._asked = {flight: asked for flight, asked in self._asked.items() if not asked.done()}
        self._asked.update(dict.fromkeys(tick.features["id"], task))

    async def _predict(self, tick: Tick) -> None:
        answer = await self._application.predict(tick.features, tick.start)
        if answer is None:
            return
        flights = tick.features["id"].to_list()
        self.predicted.flights.extend(flights)
        self.predicted.late.extend(answer.late.tolist())
        self.predicted.versions.extend([answer.version] * len(flights))
        self.predicted.ids.update(zip(flights, answer.prediction_ids, strict=True))

    async def _tell(self, tick: Tick) -> None:
        for flight, late, known_at in tick.truths:
            if flight in self._asked:
                await self._asked[flight]
            await self._producers.truth(flight, late, known_at, self.predicted.ids.pop(flight, ""))
        self.truths += len(tick.truths)


def split(ticks: Sequence[Tick], at: datetime = FIRST_PREDICTION) -> tuple[list[Tick], list[Tick]]:
    """Ticks before and from `at`."""
    return [tick for tick in ticks if tick.start < at], [tick for tick in ticks if tick.start >= at]
