"""Settings and child processes for the runtime's tests."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from tidemill_runtime.settings import ServiceSettings

Launch = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEMILL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def settings(free_port: int) -> ServiceSettings:
    """Settings of a service whose Kafka is not there."""
    return ServiceSettings(environment="local", kafka_bootstrap=f"127.0.0.1:{free_port}", http_port=18000)


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Runs Python code in a child process, with settings in its environment."""
    children: list[subprocess.Popen[str]] = []

    def start(code: str, **environment: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()
