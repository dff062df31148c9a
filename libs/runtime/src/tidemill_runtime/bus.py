"""The bus: an idempotent producer and at-least-once consumers.

A consumer's handler is called once per event in the order of its partition. Its offset is committed after the effect.
A fault of something downstream (an error that is `retryable`) is tried again until it passes, for the message is not
at fault; any other error is tried a few times and the message then goes to `<topic>.dlq`, and the partition moves on.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from google.protobuf.message import Message
from opentelemetry.trace import SpanKind
from tidemill.v1.monitoring_pb2 import DeadLetter
from tidemill_contracts import topics

from tidemill_runtime import failpoints, kafka, logs, metrics, tracing
from tidemill_runtime.errors import InvalidInput, TidemillError, TooLarge, Unavailable
from tidemill_runtime.events import Event, decode, headers_of
from tidemill_runtime.lifecycle import Worker
from tidemill_runtime.settings import ServiceSettings

MAX_ATTEMPTS = 5
MAX_BACKOFF_SECONDS = 10.0
POLL_MS = 500
POLL_MESSAGES = 500
SEND_SECONDS = 30
CATCH_UP_SECONDS = 300
MAX_CAUSE_CHARACTERS = 2000

Handler = Callable[[Event[Any]], Awaitable[None]]
Subscriptions = Mapping[str, tuple[type[Message], Handler]]

log = logs.get_logger(__name__)


class Producer:
    """Sends events; returns when the brokers have acknowledged them.

    A client that gave up a message is replaced: the broker has not seen the message's sequence number, so that it
    refuses whatever an idempotent producer sends to the partition afterwards. Java's producer takes a new epoch then;
    aiokafka's does not (https://github.com/aio-libs/aiokafka/issues/1017).
    """

    def __init__(self, settings: ServiceSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._client: AIOKafkaProducer | None = None
        self._started = False
        self._changing = asyncio.Lock()
        self._opening: asyncio.Task[AIOKafkaProducer] | None = None

    async def start(self) -> None:
        await self._open()
        self._started = True

    async def stop(self) -> None:
        self._started = False
        if self._opening:
            self._opening.cancel()
        async with self._changing:
            client, self._client = self._client, None
            if client:
                await kafka.close(client)

    async def send(self, topic: str, event: Event[Message], *, partition: int | None = None) -> None:
        """Publish an event; raises Unavailable if the brokers do not acknowledge it in time."""
        await self.send_raw(
            topic,
            key=event.subject.encode(),
            value=event.data.SerializeToString(),
            headers=headers_of(event),
            partition=partition,
        )

    async def send_raw(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        """Publish a message as it is; raises Unavailable like `send`."""

        async def publish(client: AIOKafkaProducer) -> None:
            await client.send_and_wait(topic, key=key, value=value, headers=list(headers), partition=partition)

        await self._publish(publish, topic)
        metrics.PUBLISHED.labels(topic).inc()

    async def send_many(self, topic: str, messages: Sequence[tuple[bytes | None, bytes]]) -> None:
        """Publish (key, value) pairs and wait for all; after Unavailable some may have been published."""

        async def publish(client: AIOKafkaProducer) -> None:
            sent = [await client.send(topic, key=key, value=value) for key, value in messages]
            await asyncio.gather(*sent)

        await self._publish(publish, topic)
        metrics.PUBLISHED.labels(topic).inc(len(messages))

    async def partitions(self, topic: str) -> int:
        """Number of partitions of `topic`; Unavailable if it does not exist."""
        client = await self._running()
        return len(await kafka.call(client.partitions_for(topic), f"metadata of {topic}"))

    async def _publish(self, publish: Callable[[AIOKafkaProducer], Awaitable[None]], topic: str) -> None:
        client = await self._running()
        try:
            await kafka.call(publish(client), f"send to {topic}", SEND_SECONDS)
        except Unavailable:
            await self._give_up(client)
            raise

    async def _running(self) -> AIOKafkaProducer:
        if not self._started:
            raise Unavailable("the Kafka producer is not started")
        if self._client:
            return self._client
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> AIOKafkaProducer:
        async with self._changing:
            self._client = await kafka.open_producer(self._settings, self._client_id)
            return self._client

    async def _give_up(self, client: AIOKafkaProducer) -> None:
        async with self._changing:
            if self._client is client:
                self._client = None
                await kafka.abandon(client)


class Consumer:
    """Feeds the events of several topics to their handlers, as a member of a consumer group."""

    def __init__(
        self,
        settings: ServiceSettings,
        group: str,
        subscriptions: Subscriptions,
        producer: Producer,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        backoff_seconds: float = 0.2,
    ) -> None:
        self._settings = settings
        self._group = group
        self._subscriptions = subscriptions
        self._dead_letters = DeadLetters(producer, group)
        self._max_attempts = max_attempts
        self._backoff_seconds = backoff_seconds
        self._worker = Worker(f"consumer {group}", self._consume)
        self._client: AIOKafkaConsumer | None = None
        self._stopping = asyncio.Event()
        self._membership = _Membership()
        self._settled: dict[TopicPartition, int] = {}

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._worker.failed

    @property
    def ready(self) -> bool:
        """Whether it has joined its group; where replicas outnumber partitions, it may have none to itself."""
        return self._membership.joined

    async def start(self) -> None:
        self._client = await kafka.open_consumer(self._settings, self._group, self._group)
        self._client.subscribe(list(self._subscriptions), listener=self._membership)
        await self._worker.start()

    async def stop(self) -> None:
        """End after the message in hand, if that is soon; commit what is done, leave the group."""
        self._stopping.set()
        await self._worker.stop(self._settings.shutdown_seconds / 2)
        if self._client:
            await self._commit()
            await kafka.close(self._client)

    async def _consume(self) -> None:
        assert self._client
        while not self._stopping.is_set():
            batches = await self._client.getmany(timeout_ms=POLL_MS, max_records=POLL_MESSAGES)
            for messages in batches.values():
                for message in messages:
                    await self._process(message)
                    if self._stopping.is_set():
                        return
            await self._commit()

    async def _commit(self) -> None:
        if not self._settled or self._client is None:
            return
        failpoints.hit("bus.before-commit")
        owned = self._client.assignment()
        offsets = {partition: offset for partition, offset in self._settled.items() if partition in owned}
        self._settled.clear()
        try:
            if offsets:
                await kafka.call(self._client.commit(offsets), "commit of offsets")
        except (Unavailable, CommitFailedError, IllegalStateError) as error:
            log.warning("offsets not committed; their messages will come again", group=self._group, error=str(error))

    async def _process(self, message: ConsumerRecord) -> None:
        message_type, handler = self._subscriptions[message.topic]
        attempt = 0
        while True:
            attempt += 1
            try:
                await self._handle(message, message_type, handler)
                metrics.MESSAGES.labels(message.topic, self._group, "processed").inc()
                break
            except InvalidInput as error:
                await self._dead_letters.send(message, error, attempt)
                break
            except Exception as error:
                transient = is_transient(error)
                log.warning(
                    "handler failed", topic=message.topic, attempt=attempt, exc_info=not transient, error=str(error)
                )
                if not transient and attempt >= self._max_attempts:
                    await self._dead_letters.send(message, error, attempt)
                    break
                metrics.RETRIES.labels(message.topic, self._group).inc()
                if await self._stopped_within(backoff(attempt, self._backoff_seconds)):
                    return
        self._settled[TopicPartition(message.topic, message.partition)] = message.offset + 1

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _handle(self, message: ConsumerRecord, message_type: type[Message], handler: Handler) -> None:
        position = f"{message.topic}/{message.partition}/{message.offset}"
        event = decode(message.value, message.headers, message_type, position=position, key=message.key)
        began = time.perf_counter()
        with tracing.span(f"{message.topic} process", event.traceparent, SpanKind.CONSUMER):
            await handler(event)
        metrics.HANDLER_SECONDS.labels(message.topic, self._group).observe(time.perf_counter() - began)


class _Membership(ConsumerRebalanceListener):  # type: ignore[misc]
    """Whether a consumer has joined its group."""

    joined = False

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        return

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        self.joined = True


class TableReader:
    """Feeds every event of a compacted topic, from its beginning, to one handler; every replica sees them all.

    `caught_up` is set when the handler has seen what was there at the start.
    """

    def __init__(self, settings: ServiceSettings, topic: str, message_type: type[Message], handler: Handler) -> None:
        self._settings = settings
        self._topic = topic
        self._message_type = message_type
        self._handler = handler
        self._worker = Worker(f"reader {topic}", self._read)
        self._client: AIOKafkaConsumer | None = None
        self.caught_up = asyncio.Event()

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._worker.failed

    async def wait_caught_up(self) -> None:
        """Wait until it has caught up. Raises TimeoutError after five minutes."""
        async with asyncio.timeout(CATCH_UP_SECONDS):
            await self.caught_up.wait()

    async def start(self) -> None:
        self._client = await kafka.open_consumer(self._settings, None, f"reader-{self._topic}", self._topic)
        await self._worker.start()

    async def stop(self) -> None:
        await self._worker.stop()
        if self._client:
            await kafka.close(self._client)

    async def _read(self) -> None:
        assert self._client
        ends = await self._ends(self._client)
        while True:
            batches = await self._client.getmany(timeout_ms=POLL_MS, max_records=POLL_MESSAGES)
            for messages in batches.values():
                for message in messages:
                    await self._handle(message)
            if not self.caught_up.is_set() and await self._has_reached(ends):
                self.caught_up.set()

    async def _ends(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, int]:
        ends = await kafka.call(client.end_offsets(list(client.assignment())), f"end of {self._topic}")
        return {partition: end for partition, end in ends.items() if end > 0}

    async def _has_reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        assert self._client
        for partition, end in ends.items():
            if await self._client.position(partition) < end:
                return False
        return True

    async def _handle(self, message: ConsumerRecord) -> None:
        position = f"{message.topic}/{message.partition}/{message.offset}"
        attempt = 0
        while True:
            attempt += 1
            try:
                event = decode(message.value, message.headers, self._message_type, position=position, key=message.key)
                with tracing.span(f"{message.topic} process", event.traceparent, SpanKind.CONSUMER):
                    await self._handler(event)
                return
            except InvalidInput as error:
                log.error("skipped what is not an event", position=position, error=str(error))
                return
            except Exception as error:
                log.exception("handler failed; trying again", position=position, error=str(error))
                await asyncio.sleep(backoff(attempt, 0.2))


class Letter(Protocol):
    """A message as it stood in Kafka."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes | None]]: ...


class DeadLetters:
    """Where a consumer group's messages go that could not be processed: `<topic>.dlq`."""

    def __init__(self, producer: Producer, group: str) -> None:
        self._producer = producer
        self._group = group

    async def send(self, message: Letter, error: Exception, attempts: int = 1) -> None:
        """Keep a message with its cause; returns when the brokers have it, however long that takes."""
        letter, key = dead_letter(message, self._group, error, attempts), message.key
        while True:
            try:
                await self._producer.send_raw(
                    topics.dead_letter(message.topic), key=key, value=letter.SerializeToString()
                )
                break
            except TooLarge:
                log.error("the dead letter only names its message, which is too large", topic=message.topic)
                key = None
                for field in ("key", "value", "headers"):
                    letter.ClearField(field)
            except Unavailable as unavailable:
                log.warning("dead letter not sent; trying again", topic=message.topic, error=str(unavailable))
                await asyncio.sleep(1)
        metrics.MESSAGES.labels(message.topic, self._group, "dead_letter").inc()
        unexpected = None if isinstance(error, TidemillError) else error
        log.error(
            "gave up on a message",
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            cause=letter.cause,
            exc_info=unexpected,
        )


def dead_letter(message: Letter, group: str, error: Exception, attempts: int) -> DeadLetter:
    """What is kept of a message that could not be processed."""
    letter = DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        consumer_group=group,
        cause=(str(error) or type(error).__name__)[:MAX_CAUSE_CHARACTERS],
        attempts=attempts,
        key=message.key or b"",
        value=message.value or b"",
        headers={name: value or b"" for name, value in message.headers},
    )
    letter.failed_at.GetCurrentTime()
    return letter


def is_transient(error: BaseException) -> bool:
    """Whether the fault is something downstream's and passes by itself."""
    return isinstance(error, OSError | TimeoutError) or (isinstance(error, TidemillError) and error.retryable)


def backoff(attempt: int, base_seconds: float) -> float:
    """Seconds to wait after the `attempt`-th failure: exponential, capped, with full jitter.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    longest = min(MAX_BACKOFF_SECONDS, base_seconds * 2.0 ** min(attempt - 1, 16))
    return random.uniform(0.5, 1.0) * longest  # noqa: S311
