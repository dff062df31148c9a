"""Ordered start, reverse stop, and an end within the deadline whatever the components do."""

import asyncio
import json
import os
import signal
import subprocess
import time

import pytest
from tidemill_runtime.lifecycle import Worker, serve

SERVICE = """
import asyncio, time
from tidemill_runtime.lifecycle import Worker, run
from tidemill_runtime.settings import ServiceSettings

class Component:
    async def start(self):
        print("ready", flush=True)
    async def stop(self):
        {stop}

settings = ServiceSettings(environment="local", kafka_bootstrap="127.0.0.1:1", http_port=1, shutdown_seconds=0.5)
run("example", settings, [Component()])
"""


class Part:
    """Notes what is done to it."""

    def __init__(self, name: str, notes: list[str], start_seconds: float = 0) -> None:
        self.name = name
        self.notes = notes
        self.start_seconds = start_seconds

    async def start(self) -> None:
        await asyncio.sleep(self.start_seconds)
        self.notes.append(f"start {self.name}")

    async def stop(self) -> None:
        self.notes.append(f"stop {self.name}")


class Terminator(Part):
    """Sends the process SIGTERM as soon as it is started."""

    async def start(self) -> None:
        await super().start()
        os.kill(os.getpid(), signal.SIGTERM)


class Stuck(Part):
    """Never ends its stop."""

    async def stop(self) -> None:
        await super().stop()
        await asyncio.Event().wait()


class Failing(Part):
    """Fails to start and to stop."""

    async def start(self) -> None:
        raise OSError("no disk")


class FailingStop(Part):
    """Fails to stop."""

    async def stop(self) -> None:
        await super().stop()
        raise OSError("no disk")


async def ended(*components, shutdown_seconds: float = 5) -> int:
    async with asyncio.timeout(10):
        return await serve(components, shutdown_seconds)


async def test_components_start_in_order_and_stop_in_reverse():
    notes: list[str] = []

    code = await ended(Part("database", notes), Part("bus", notes), Terminator("http", notes))

    assert notes == ["start database", "start bus", "start http", "stop http", "stop bus", "stop database"]
    assert code == 0


async def test_what_was_started_is_stopped_when_a_later_component_does_not_start():
    notes: list[str] = []

    code = await ended(Part("database", notes), Failing("bus", notes), Part("http", notes))

    assert notes == ["start database", "stop database"]
    assert code == 1


async def test_a_failing_worker_ends_the_service_with_code_1():
    notes: list[str] = []

    async def work() -> None:
        raise RuntimeError("out of memory")

    assert await ended(Part("database", notes), Worker("loop", work)) == 1
    assert notes == ["start database", "stop database"]


async def test_a_worker_is_cancelled_by_its_stop():
    cancelled = asyncio.Event()
    running = asyncio.Event()

    async def work() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    worker = Worker("loop", work)
    await worker.start()
    await running.wait()
    await worker.stop()

    assert cancelled.is_set()


async def test_a_worker_with_time_to_drain_ends_by_itself():
    last_words = asyncio.Event()
    stopping = asyncio.Event()

    async def work() -> None:
        await stopping.wait()
        await asyncio.sleep(0)
        last_words.set()

    worker = Worker("loop", work)
    await worker.start()
    stopping.set()
    await worker.stop(drain_seconds=5)

    assert last_words.is_set()


async def test_a_stop_that_fails_does_not_keep_the_others_from_stopping():
    notes: list[str] = []

    assert await ended(Part("database", notes), FailingStop("bus", notes), Terminator("http", notes)) == 0
    assert notes[-2:] == ["stop bus", "stop database"]


async def test_a_stop_that_hangs_is_given_up():
    notes: list[str] = []
    began = time.monotonic()

    assert await ended(Stuck("bus", notes), Terminator("http", notes), shutdown_seconds=0.1) == 0

    assert notes[-2:] == ["stop http", "stop bus"]
    assert time.monotonic() - began < 5


async def test_a_worker_that_ignores_its_end_does_not_outlive_the_deadline():
    notes: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    parts = (Stuck("database", notes), Worker("stubborn", stubborn), Terminator("http", notes))

    assert await ended(*parts, shutdown_seconds=0.1) == 0


async def test_sigterm_during_the_start_ends_the_service_at_once():
    notes: list[str] = []

    code = await ended(Terminator("database", notes), Part("bus", notes, start_seconds=60), Part("http", notes))

    assert notes == ["start database", "stop database"]
    assert code == 0


def terminate_when_ready(service: subprocess.Popen[str]) -> tuple[list[str], float]:
    """The messages of its log, and the seconds it took to end."""
    assert service.stdout is not None
    assert service.stdout.readline() == "ready\n"
    began = time.monotonic()
    service.send_signal(signal.SIGTERM)
    log = service.communicate(timeout=30)[1]
    return [json.loads(line)["message"] for line in log.splitlines()], time.monotonic() - began


def test_sigterm_drains_the_process(launch):
    service = launch(SERVICE.format(stop="await asyncio.sleep(0.05); print('drained', flush=True)"))

    messages, _ = terminate_when_ready(service)

    assert messages == ["started", "stopped"]
    assert service.returncode == 0


@pytest.mark.parametrize("stop", ["await asyncio.Event().wait()", "await asyncio.to_thread(time.sleep, 60)"])
def test_the_process_ends_within_its_deadline_even_if_a_component_hangs(launch, stop: str):
    service = launch(SERVICE.format(stop=stop))

    messages, seconds = terminate_when_ready(service)

    assert "not stopped in time" in messages
    assert seconds < 10
