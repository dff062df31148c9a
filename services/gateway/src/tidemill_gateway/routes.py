"""Brings the newest route of every model into effect, and keeps what serves loaded.

One task per model, so that one model's trouble is its own. A route takes effect when the version of every arm is ready;
mirrors and warm versions follow. What fails is tried again with backoff while the route before goes on serving.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tidemill.v1.model_pb2 import Route
from tidemill_runtime import failpoints, logs
from tidemill_runtime.bus import backoff
from tidemill_runtime.errors import TidemillError
from tidemill_runtime.events import Event

from tidemill_gateway import metrics
from tidemill_gateway.domain.routing import RouteTable, table_of
from tidemill_gateway.loading import Loader
from tidemill_gateway.serving import ServedModel, ServedModels, ServedVersion

CHECK_SECONDS = 1.0
RETRY_SECONDS = 0.5

log = logs.get_logger(__name__)


@dataclass
class ModelState:
    """What one model should serve, and how far it is."""

    table: RouteTable
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    loaded: dict[int, ServedVersion] = field(default_factory=dict)
    healthy: bool = False
    behind: bool = True
    failure: str = ""
    unload_by: dict[int, float] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Routes:
    """Applies `Route` events to the served models."""

    def __init__(
        self,
        models: ServedModels,
        loader: Loader,
        *,
        swap: Callable[[ServedModel], None],
        in_flight: Callable[[str, int], int],
        drain_seconds: float,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._models = models
        self._loader = loader
        self._swap_in = swap
        self._in_flight = in_flight
        self._drain_seconds = drain_seconds
        self._check_seconds = check_seconds
        self._states: dict[str, ModelState] = {}

    async def start(self) -> None:
        self._loader.clean()

    async def stop(self) -> None:
        tasks = [state.task for state in self._states.values() if state.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def on_route(self, event: Event[Route]) -> None:
        """Aim at the route if it is newer than the one known; returns at once. Raises InvalidInput."""
        table = table_of(event.data)
        state = self._states.get(table.model)
        if state is None:
            state = self._states[table.model] = ModelState(table)
            state.task = asyncio.create_task(self._keep(state), name=f"routes {table.model}")
        elif table.epoch > state.table.epoch:
            state.table = table
        state.behind = not self._in_effect(state)
        metrics.ROUTE_BEHIND.labels(table.model).set(state.behind)
        self.suspect(table.model)

    def suspect(self, model: str) -> None:
        """Look now whether the model's versions are still ready."""
        if model in self._states:
            self._states[model].woken.set()

    def all_ready(self) -> bool:
        """Whether every model that should serve does, with every version of its arms ready."""
        return all(state.healthy for state in self._states.values())

    def is_ready(self, model: str) -> bool:
        """Whether the model serves, with every version of its arms ready."""
        return model in self._states and self._states[model].healthy

    def describe(self) -> dict[str, Any]:
        """The routes as people read them."""
        return {model: self._describe(state) for model, state in sorted(self._states.items())}

    async def _keep(self, state: ModelState) -> None:
        failures = 0
        while True:
            state.woken.clear()
            try:
                await self._advance(state)
                failures, state.failure = 0, ""
            except Exception as error:
                failures += 1
                state.failure = str(error) or type(error).__name__
                expected = isinstance(error, TidemillError)
                log.error("route not in effect", **_names(state), error=state.failure, exc_info=not expected)
            metrics.ROUTE_BEHIND.labels(state.table.model).set(state.behind)
            wait = backoff(failures, RETRY_SECONDS) if failures else self._check_seconds
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await state.woken.wait()

    async def _advance(self, state: ModelState) -> None:
        """One pass; raises the first failure after doing all that can be done in spite of it."""
        table = state.table
        failures = await self._repair(state)
        if not self._in_effect(state):
            failures += await self._ensure(state, table, table.answering)
            if not failures or self._has_all(state, table.answering):
                self._swap(state, table)
                failures += await self._ensure(state, table, set(table.digests) - table.answering)
                self._swap(state, table)
        await self._retire(state)
        state.behind = not self._in_effect(state)
        if failures:
            raise failures[0]

    def _in_effect(self, state: ModelState) -> bool:
        served = self._models.find(state.table.model)
        return served is not None and served.table == state.table and set(served.versions) == set(state.table.digests)

    async def _repair(self, state: ModelState) -> list[Exception]:
        """Load again what serves and the server has lost."""
        served = self._models.find(state.table.model)
        if served is None:
            return []
        lost = {number for number, version in served.versions.items() if not await self._loader.is_ready(version)}
        state.healthy = not lost & served.table.answering
        failures: list[Exception] = []
        for number in sorted(lost, key=lambda number: number not in served.table.answering):
            log.warning("version lost by the model server", model=state.table.model, version=number)
            try:
                await self._loader.load(state.table.model, number, served.versions[number].digest)
                lost.remove(number)
            except Exception as error:
                failures.append(error)
        state.healthy = not lost & served.table.answering
        return failures

    async def _ensure(self, state: ModelState, table: RouteTable, versions: Collection[int]) -> list[Exception]:
        """Have the versions loaded and ready; what failed."""
        failures: list[Exception] = []
        for number in sorted(versions):
            known = state.loaded.get(number)
            if known and known.digest == table.digests[number] and await self._loader.is_ready(known):
                continue
            state.loaded.pop(number, None)
            try:
                state.loaded[number] = await self._loader.load(table.model, number, table.digests[number])
            except Exception as error:
                failures.append(error)
        return failures

    def _has_all(self, state: ModelState, versions: Collection[int]) -> bool:
        return all(number in state.loaded for number in versions)

    def _swap(self, state: ModelState, table: RouteTable) -> None:
        served = self._models.find(table.model)
        versions = {number: state.loaded[number] for number in table.digests if number in state.loaded}
        if served and served.table == table and set(served.versions) == set(versions):
            return
        failpoints.hit("gateway.before-swap")
        changed = ServedModel(table, versions)
        self._swap_in(changed)
        self._models.swap(changed)
        state.healthy = True
        metrics.ROUTE_EPOCH.labels(table.model).set(table.epoch)
        log.info("route in effect", model=table.model, epoch=table.epoch, versions=sorted(versions))

    async def _retire(self, state: ModelState) -> None:
        """Unload what no route needs, once no request uses it; a later pass takes what is busy now."""
        model = state.table.model
        served = self._models.find(model)
        kept = {*state.table.digests, *(served.versions if served else ())}
        unneeded = {*state.loaded, *self._loader.left_over(model)} - kept
        state.unload_by = {number: by for number, by in state.unload_by.items() if number in unneeded}
        for number in sorted(unneeded):
            deadline = state.unload_by.setdefault(number, time.monotonic() + self._drain_seconds)
            if self._in_flight(model, number) and time.monotonic() < deadline:
                continue
            state.loaded.pop(number, None)
            await self._loader.unload(model, number)

    def _describe(self, state: ModelState) -> dict[str, Any]:
        served = self._models.find(state.table.model)
        table = served.table if served else state.table
        return {
            "epoch": served.table.epoch if served else 0,
            "wanted_epoch": state.table.epoch,
            "arms": [{"version": arm.version, "weight": arm.weight} for arm in table.arms] if served else [],
            "mirrors": [{"version": item.version, "fraction": item.fraction} for item in table.mirrors],
            "warm": list(table.warm),
            "sticky_header": table.sticky_header,
            "sticky_field": table.sticky_field,
            "loaded": sorted(served.versions) if served else [],
            "behind": state.behind,
            "failure": state.failure,
        }


def _names(state: ModelState) -> dict[str, Any]:
    return {"model": state.table.model, "epoch": state.table.epoch}
