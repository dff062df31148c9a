"""A stack of its own with a gateway that serves the clients' models, and the report of each client's suite.

A gateway never lets go of a routed model: the models would stay with the stack of all other tests.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from clients.environments import python_of
from clients.matrix import Client
from clients.serving import is_settled, route, target_of
from clients.suites.target import Target
from routing import routes_of
from tidemill_local.stack import Stack
from tidemill_local.waiting import wait_until

PORT_OFFSET = int(os.environ.get("TIDEMILL_TEST_PORT_OFFSET", "2000")) + 600
PIPELINES = Path(__file__).parents[1] / "pipelines"
SUITES = Path(__file__).parent / "suites"
SERVE_SECONDS = 60
SUITE_SECONDS = 120
STACKS: list[Stack] = []

Report = Mapping[str, str]
ReportOf = Callable[[Client], Report]


def pytest_unconfigure() -> None:
    """Whatever ended the tests, the stack ends with them."""
    for stack in STACKS:
        stack.down()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, Triton and the gateway, which serves nothing yet."""
    stack = Stack(tmp_path_factory.mktemp("clients"), PORT_OFFSET, pipelines=PIPELINES)
    STACKS.append(stack)
    try:
        stack.up(["kafka", "triton", "gateway"])
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="module")
def target(stack: Stack) -> Target:
    """The gateway, with every model served or given up for now."""
    target = target_of(stack)
    asyncio.run(route(stack, target))
    wait_until(lambda: is_settled(routes_of(stack), target), SERVE_SECONDS, every=0.1)
    return target


@pytest.fixture(scope="module")
def report_of(target: Target) -> ReportOf:
    """What a client's suite reports, which is run once."""

    @cache
    def report(client: Client) -> Report:
        python = python_of(client.environment) if client.environment else sys.executable
        command = [python, str(SUITES / client.suite), target.to_json(), *client.arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SUITE_SECONDS, check=False)
        assert done.returncode == 0, f"{client.name} ended with {done.returncode}: {done.stderr[-4000:]}"
        found: dict[str, str] = json.loads(done.stdout)
        return found

    return report
