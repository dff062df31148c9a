"""aiokafka with a timeout on every call that can hang."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError

from tidemill_runtime import logs
from tidemill_runtime.errors import TooLarge, Unavailable
from tidemill_runtime.settings import ServiceSettings

START_SECONDS = 30
CALL_SECONDS = 15
CLOSE_SECONDS = 5
METADATA_PAUSE_SECONDS = 0.1
MAX_POLL_INTERVAL_MS = 600_000
MAX_MESSAGE_BYTES = 8 << 20

T = TypeVar("T")

log = logs.get_logger(__name__)


async def call(awaitable: Awaitable[T], what: str, seconds: float = CALL_SECONDS) -> T:
    """The result of an aiokafka call; Unavailable if it fails or takes longer than `seconds`, TooLarge for a message
    over the broker's or the producer's cap."""
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError as error:
        raise Unavailable(f"Kafka: {what} took more than {seconds:g} s") from error
    except MessageSizeTooLargeError as error:
        raise TooLarge(f"Kafka: {what}: {error}") from error
    except KafkaError as error:
        raise Unavailable(f"Kafka: {what}: {error}") from error


async def open_producer(settings: ServiceSettings, client_id: str) -> AIOKafkaProducer:
    """A started, idempotent producer with `acks=all`."""

    def make() -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            client_id=client_id,
            enable_idempotence=True,
            acks="all",
            compression_type="lz4",
            linger_ms=5,
            max_request_size=MAX_MESSAGE_BYTES,
            request_timeout_ms=CALL_SECONDS * 1000,
        )
        producer.client._metadata_update = _paced(producer.client._metadata_update)
        return producer

    return await _started(make, "start of the producer")


def _paced(update: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    """Waits after an update of the metadata that failed.

    Where a partition has no leader, aiokafka's sender asks again as soon as it is refused: thousands of times a second.
    """

    async def paced(*arguments: Any) -> bool:
        updated = await update(*arguments)
        if not updated:
            await asyncio.sleep(METADATA_PAUSE_SECONDS)
        return updated

    return paced


async def abandon(producer: AIOKafkaProducer) -> None:
    """Stop a producer without waiting for what it has not sent: that fails with KafkaConnectionError."""
    producer._message_accumulator.fail_all(KafkaConnectionError("the producer is replaced"))
    await close(producer)
    await _ended(producer.client.close())


async def open_consumer(settings: ServiceSettings, group: str | None, client_id: str, *topics: str) -> AIOKafkaConsumer:
    """A started consumer of `topics` that commits only by hand and begins at the start of a topic.

    Without a group it reads every partition; Unavailable if a topic does not exist.
    """
    return await _started(
        lambda: AIOKafkaConsumer(
            *topics,
            bootstrap_servers=settings.kafka_bootstrap,
            client_id=client_id,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=2_000,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            metadata_max_age_ms=30_000,
        ),
        f"start of the consumer of {', '.join(topics) or 'no topic yet'}",
    )


async def close(client: Any) -> None:
    """Stop a producer or a consumer, giving up after a while."""
    await _ended(client.stop())


async def _ended(end: Awaitable[None]) -> None:
    """Wait for a client's end for a while.

    aiokafka's own cancellations can escape from it; in a task of its own they do not cancel the caller.
    """
    stopping = asyncio.ensure_future(end)
    await asyncio.wait({stopping}, timeout=CLOSE_SECONDS)
    if not stopping.done():
        stopping.cancel()
    elif not stopping.cancelled() and (error := stopping.exception()):
        log.warning("a Kafka client did not stop in order", error=str(error))


async def _started(make: Callable[[], Any], what: str) -> Any:
    client = make()
    try:
        await call(client.start(), what, START_SECONDS)
    except BaseException:
        await close(client)
        raise
    return client
