"""Connections to Kafka for the command line: each call has a deadline."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tidemill_local.errors import StackError

Client = TypeVar("Client")
Call = Callable[[], Awaitable[None]]
SECONDS = 10.0
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


async def is_reachable(bootstrap: str) -> bool:
    """Whether the cluster answers with its metadata within 3 seconds."""
    try:
        async with admin(bootstrap, 3) as client:
            return bool((await asyncio.wait_for(client.describe_cluster(), 3))["brokers"])
    except (StackError, KafkaError, OSError, TimeoutError):
        return False


@asynccontextmanager
async def admin(bootstrap: str, seconds: float = SECONDS) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client. Raises StackError when Kafka does not answer."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(seconds * 1000))
    async with _started(client, client.start, client.close, bootstrap, seconds) as started:
        yield started


@asynccontextmanager
async def consumer(bootstrap: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without subscription that never commits by itself. Raises StackError when Kafka does not answer."""
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    async with _started(client, client.start, client.stop, bootstrap, SECONDS) as started:
        yield started


@asynccontextmanager
async def producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """An idempotent producer. Raises StackError when Kafka does not answer."""
    client = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
    async with _started(client, client.start, client.stop, bootstrap, SECONDS) as started:
        yield started


@asynccontextmanager
async def _started(
    client: Client,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    bootstrap: str,
    seconds: float,
) -> AsyncIterator[Client]:
    try:
        await asyncio.wait_for(start(), seconds)
    except (KafkaError, OSError, TimeoutError) as error:
        await _within(stop, seconds)
        raise StackError(f"Kafka does not answer at {bootstrap}.", "Start the stack: ./tidemill up") from error
    try:
        yield client
    finally:
        await _within(stop, seconds)


async def _within(stop: Call, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop(), seconds)
