"""One running stack for every test that needs the real parts; tests use topics, schemas and names of their own."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from driver import Driver
from tidemill_local.stack import INFRASTRUCTURE, Stack

PORT_OFFSET = int(os.environ.get("TIDEMILL_TEST_PORT_OFFSET", "2000"))
PIPELINES = Path(__file__).parent / "pipelines"
STACKS: list[Stack] = []


def pytest_unconfigure() -> None:
    """Whatever ended the tests, the stacks end with them: after a cancellation pytest tears nothing more down."""
    for stack in STACKS:
        stack.down()


@pytest.fixture(scope="session")
def infrastructure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, PostgreSQL and Triton with every topic, and no service yet."""
    stack = Stack(tmp_path_factory.mktemp("stack"), PORT_OFFSET, pipelines=PIPELINES)
    STACKS.append(stack)
    try:
        stack.up(INFRASTRUCTURE)
        yield stack
    finally:
        stack.down()


@pytest.fixture(scope="session")
def loop_stack(infrastructure: Stack) -> Stack:
    """The whole stack with the pipelines of `tests/pipelines`."""
    infrastructure.up(infrastructure.services)
    return infrastructure


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def driver(loop_stack: Stack) -> AsyncIterator[Driver]:
    """The one replay of the sea on the running stack: its ledger covers everything the stack was ever given."""
    async with Driver(loop_stack) as one:
        yield one
