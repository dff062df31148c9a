"""The faust application: feeds the stages, acknowledges what they have stored, restores them after a rebalance.

What is known of faust and taken care of here:
- it acknowledges a message whose agent raised: acknowledgement is by hand, after the stage's flush;
- its table writes are not awaited: the stages write the changelogs (`changelog.py`), faust only recovers them;
- it waits for every message to be acknowledged before it gives up a partition, and those it drops never are
  (`stream_wait_empty`);
- an agent takes one message at a time (`concurrency=1`), so offsets are acknowledged in order;
- it does not notice for long that the brokers are gone: `BrokerWatch` ends the process.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import faust
from faust.types import TP, EventT, StreamT
from tidemill_contracts import topics
from tidemill_runtime import logs
from tidemill_runtime.bus import Producer, dead_letter, is_transient
from tidemill_runtime.errors import InvalidInput, TidemillError, TooLarge, Unavailable
from tidemill_runtime.lifecycle import Worker
from tidemill_runtime.metrics import MESSAGES
from tidemill_runtime.settings import ServiceSettings

from tidemill_monitor import metrics
from tidemill_monitor.messages import Message

APP_ID = "tidemill-monitor"
MAX_UNFLUSHED = 5000
SESSION_SECONDS = 10.0
STOP_SECONDS = 8.0
MAX_FETCH_BYTES = 8 << 20

log = logs.get_logger(__name__)


class Stage(Protocol):
    """What the stages have in common."""

    def assign(self, stored: Mapping[int, Iterable[tuple[str, bytes]]]) -> None: ...

    async def flush(self) -> None: ...


@dataclass(frozen=True)
class StageFeed:
    """A stage with the handlers of its topics, by topic, and the table its state is in."""

    name: str
    stage: Stage
    handlers: Mapping[str, Callable[[Message], Awaitable[None]]]


@dataclass
class _Running:
    """A stage as it runs: its table and the events not yet stored."""

    spec: StageFeed
    table: Any
    unacknowledged: list[tuple[StreamT[bytes], EventT[bytes]]] = field(default_factory=list)


def changelog_topic(table: str) -> str:
    """Name of the changelog topic of a table."""
    return f"{APP_ID}-{table}-changelog"


class _App(faust.App):
    def _create_directories(self) -> None:
        """Nothing is kept on disk."""


class Streams:
    """Component that runs the stages on the partitions this process is given."""

    def __init__(
        self, settings: ServiceSettings, producer: Producer, specs: Sequence[StageFeed], flush_seconds: float
    ) -> None:
        self._producer = producer
        self._flush_seconds = flush_seconds
        self._settings = settings
        self._specs = specs
        self._feeds: list[_Running] = []
        self._lock = asyncio.Lock()
        self._assigned = False
        self._generation = 0
        self._wake = asyncio.Event()
        self._flushed = asyncio.Event()
        self._worker = Worker("streams", self._run)

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._worker.failed

    @property
    def ready(self) -> bool:
        """Whether partitions are assigned and their state is restored."""
        return self._assigned

    def is_at_end(self, topic: str, partition: int, last: int | None) -> bool:
        """Whether nothing is left to read after offset `last` (None: after the committed one); False if unknown."""
        source = TP(topic, partition)
        consumer: Any = self._app.consumer
        end = consumer.highwater(source)
        following = consumer._committed_offset.get(source) or 0 if last is None else last + 1
        return end is not None and following >= end

    async def start(self) -> None:
        self._app = self._make_app()
        self._starting = asyncio.create_task(self._app.start(), name="faust")
        await self._worker.start()

    async def stop(self) -> None:
        """Store what was read, then leave the group.

        Without brokers faust may ignore a cancellation, or block the loop until its consumer's thread ends. The process
        is ended then: what it knows is in Kafka.
        """
        if not self._failed():
            with contextlib.suppress(TidemillError):
                await self._flush()
        await self._worker.stop()
        blocked = threading.Timer(STOP_SECONDS + 1, os._exit, [1])
        blocked.daemon = True
        blocked.start()
        stopping = asyncio.create_task(self._app.stop(), name="faust stop")
        await asyncio.wait({stopping}, timeout=STOP_SECONDS)
        blocked.cancel()
        self._starting.cancel()

    def _failed(self) -> bool:
        return self.failed.done() and not self.failed.cancelled() and self.failed.exception() is not None

    def _make_app(self) -> faust.App:
        app = _App(
            APP_ID,
            broker=[f"kafka://{one}" for one in self._settings.kafka_bootstrap.split(",")],
            autodiscover=False,
            store="memory://",
            key_serializer="raw",
            value_serializer="raw",
            processing_guarantee="at_least_once",
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            stream_wait_empty=False,
            web_enabled=False,
            broker_commit_interval=1.0,
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=SESSION_SECONDS / 5,
            broker_request_timeout=30.0,
            producer_request_timeout=15.0,
            producer_max_request_size=MAX_FETCH_BYTES,
            consumer_max_fetch_size=MAX_FETCH_BYTES,
            consumer_auto_offset_reset="earliest",
            consumer_metadata_max_age_ms=30_000,
        )
        for spec in self._specs:
            feed = _Running(spec, app.Table(spec.name, key_type=bytes, value_type=bytes))
            self._feeds.append(feed)
            for topic, handler in spec.handlers.items():
                source = app.topic(topic, key_type=bytes, value_type=bytes)
                app.agent(source, name=f"{spec.name}-{topic}", concurrency=1)(self._agent(feed, handler))
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        app.on_rebalance_complete.connect(self._on_assigned, weak=False)
        return app

    def _agent(
        self, feed: _Running, handler: Callable[[Message], Awaitable[None]]
    ) -> Callable[[StreamT[bytes]], Awaitable[None]]:
        async def agent(stream: StreamT[bytes]) -> None:
            stream.enable_acks = False
            async for event in stream.events():
                try:
                    generation = self._generation
                    await self._process(handler, _message(event))
                    if generation == self._generation:
                        feed.unacknowledged.append((stream, event))
                    if len(feed.unacknowledged) >= MAX_UNFLUSHED:
                        self._flushed.clear()
                        self._wake.set()
                        await self._flushed.wait()
                except Exception as error:
                    log.exception("agent failed", topic=event.message.topic)
                    if not self.failed.done():
                        self.failed.set_exception(error)
                    return

        return agent

    async def _process(self, handler: Callable[[Message], Awaitable[None]], message: Message) -> None:
        try:
            await handler(message)
            outcome = "processed"
        except Exception as error:
            if is_transient(error):
                raise
            await self._give_up(message, error)
            outcome = "dead_letter"
        MESSAGES.labels(message.topic, APP_ID, outcome).inc()

    async def _give_up(self, message: Message, error: Exception) -> None:
        letter = dead_letter(message, APP_ID, error, 1)
        topic = topics.dead_letter(message.topic)
        try:
            await self._producer.send_raw(topic, key=message.key, value=letter.SerializeToString())
        except TooLarge:
            for field in ("key", "value", "headers"):
                letter.ClearField(field)
            await self._producer.send_raw(topic, key=None, value=letter.SerializeToString())
        expected = isinstance(error, InvalidInput)
        log.error(
            "gave up on a message",
            topic=message.topic,
            offset=message.offset,
            cause=letter.cause,
            exc_info=None if expected else error,
        )

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._wake.wait()
            self._wake.clear()
            await self._flush()
            self._check()

    def _check(self) -> None:
        if self._starting.done():
            self._starting.result()
        if self._app.crashed or self._app.should_stop:
            raise Unavailable(f"faust stopped: {self._app.crash_reason!r}")

    async def _flush(self) -> None:
        async with self._lock:
            if not self._assigned:
                return
            for feed in self._feeds:
                done, feed.unacknowledged = feed.unacknowledged, []
                with metrics.FLUSH_SECONDS.labels(feed.spec.name).time():
                    await feed.spec.stage.flush()
                for stream, event in done:
                    await stream.ack(event)
            self._flushed.set()

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        async with self._lock:
            self._assigned = False
            self._generation += 1
            for feed in self._feeds:
                feed.unacknowledged.clear()
                feed.spec.stage.assign({})

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        async with self._lock:
            self._generation += 1
            assigned: set[TP] = self._app.assignor.assigned_actives()
            for feed in self._feeds:
                feed.unacknowledged.clear()
                owned = {tp.partition for tp in assigned if tp.topic in feed.spec.handlers}
                log.info("partitions assigned", stage=feed.spec.name, partitions=sorted(owned))
                feed.spec.stage.assign(_stored(feed.table, owned))
            self._assigned = True


def _stored(table: Any, owned: set[int]) -> dict[int, list[tuple[str, bytes]]]:
    """What faust has recovered of the owned partitions, by partition."""
    stored: dict[int, list[tuple[str, bytes]]] = {partition: [] for partition in owned}
    for key, value in table.data.data.items():
        partition = table.data._key_partition[key]
        if partition in owned and value is not None:
            stored[partition].append((key.decode(), value))
    return stored


def _message(event: EventT[bytes]) -> Message:
    """The message behind a faust event."""
    source = event.message
    headers = source.headers or ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Message(source.topic, source.partition, source.offset, source.key, source.value, tuple(pairs))
