"""Fixtures of the gateway's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tidemill_gateway.testing.running import RunningGateway, running_gateway


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    async with running_gateway(tmp_path) as running:
        yield running


@pytest.fixture
async def http(running: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.http_url) as client:
        yield client
