"""Ordered start and stop of a service's components, and what SIGTERM does."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from tidemill_runtime import failpoints, logs, tracing
from tidemill_runtime.settings import ServiceSettings

START_SECONDS = 60
EXIT_SECONDS = 2

log = logs.get_logger(__name__)


class Component(Protocol):
    """Something that runs while the service does."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@runtime_checkable
class Fallible(Protocol):
    """A component that can fail while it runs; then the service ends, to be started again."""

    @property
    def failed(self) -> asyncio.Future[None]: ...


class Worker:
    """A component that runs one coroutine; an exception in it ends the service, stop cancels it."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self, drain_seconds: float = 0) -> None:
        """Cancel the work, if it has not ended by itself within `drain_seconds`."""
        if self._task:
            if drain_seconds:
                await asyncio.wait({self._task}, timeout=drain_seconds)
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self.failed.done():
            self.failed.cancel()

    async def _run(self) -> None:
        try:
            await self._work()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("worker failed", worker=self._name)
            if not self.failed.done():
                self.failed.set_exception(error)


def run(service: str, settings: ServiceSettings, components: Sequence[Component]) -> None:
    """Start the components in order, run until SIGTERM, SIGINT or a failure, stop them in reverse order.

    Exits with 1 after a failure; an orchestrator starts the service again.
    """
    logs.configure(service, settings.log_level)
    tracing.configure(service, settings.otlp_endpoint)
    failpoints.arm(settings.failpoint)
    code = 1
    with asyncio.Runner() as runner:
        try:
            code = runner.run(serve(components, settings.shutdown_seconds))
        finally:
            _end_anyway(code)
    sys.exit(code)


async def serve(components: Sequence[Component], shutdown_seconds: float) -> int:
    """`run` inside a running loop: the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    signalled = asyncio.create_task(stopping.wait())
    started: list[Component] = []
    code = 0
    try:
        starting = asyncio.create_task(_start(components, started))
        await _either(starting, signalled)
        if not signalled.done():
            log.info("started")
            await _until_stopped(signalled, started)
    except Exception:
        log.exception("failed")
        code = 1
    signalled.cancel()
    await _stop(started, shutdown_seconds)
    log.info("stopped", code=code)
    return code


async def _start(components: Sequence[Component], started: list[Component]) -> None:
    for component in components:
        async with asyncio.timeout(START_SECONDS):
            await component.start()
        started.append(component)


async def _either(starting: asyncio.Task[None], signalled: asyncio.Task[Any]) -> None:
    """Wait for the start, but not longer than until the signal."""
    await asyncio.wait({starting, signalled}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
    else:
        starting.cancel()
        await asyncio.wait({starting}, timeout=EXIT_SECONDS)


async def _until_stopped(signalled: asyncio.Task[Any], started: Sequence[Component]) -> None:
    failures = [component.failed for component in started if isinstance(component, Fallible)]
    ends: list[asyncio.Future[Any]] = [signalled, *failures]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for failure in failures:
        if failure.done():
            failure.result()


async def _stop(started: list[Component], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            for component in reversed(started):
                try:
                    await component.stop()
                except Exception:
                    log.exception("stop failed", component=type(component).__name__)
    except TimeoutError:
        log.error("not stopped in time", seconds=seconds)


def _end_anyway(code: int) -> None:
    """Threads and tasks that ignore the end do not keep the process."""
    deadline = threading.Timer(EXIT_SECONDS, os._exit, [code])
    deadline.daemon = True
    deadline.start()
