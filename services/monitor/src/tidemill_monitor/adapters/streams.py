"""The faust application: feeds the stages, acknowledges what they have stored, restores them after a rebalance.

What is known of faust and taken care of here:
- it acknowledges a message whose agent raised: acknowledgement is by hand, after the stage's flush;
- its table writes are not awaited: the stages write the changelogs (`changelog.py`), faust only recovers them;
- it waits for every message to be acknowledged before it gives up a partition, and those it drops never are
  (`stream_wait_empty`);
- an agent takes one message at a time (`concurrency=1`), so offsets are acknowledged in order;
- a message costs it some 70 microseconds, so a bulk stage does nothing with it before the flush;
- about a rebalance it may drop messages that were fetched and give later ones (`continuity.py`);
- it gives all that one fetch brought of a partition before the next partition's: fetches are small, so that the backlog
  of one topic does not keep the others waiting (a message that is larger comes all the same);
- what its consumer is asked waits for that one's long poll: the ends of topics are asked by another (`ends.py`);
- it does not notice for long that the brokers are gone: `BrokerWatch` ends the process.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import faust
from faust.types import TP, EventT, StreamT
from tidemill_runtime import kafka, logs
from tidemill_runtime.bus import DeadLetters, Producer, is_transient
from tidemill_runtime.errors import TidemillError, Unavailable
from tidemill_runtime.lifecycle import Worker
from tidemill_runtime.metrics import MESSAGES
from tidemill_runtime.settings import ServiceSettings

from tidemill_monitor import metrics
from tidemill_monitor.adapters.continuity import Continuity
from tidemill_monitor.adapters.ends import Ends
from tidemill_monitor.messages import Message

APP_ID = "tidemill-monitor"
MAX_UNFLUSHED = 5000
MAX_UNFLUSHED_BYTES = 32 << 20
BUFFERED_EVENTS = 1024
SESSION_SECONDS = 10.0
STOP_SECONDS = 8.0
FETCH_BYTES = 1 << 20

log = logs.get_logger(__name__)


class Stage(Protocol):
    """What the stages have in common."""

    def assign(self, stored: Mapping[int, Iterable[tuple[str, bytes]]]) -> None: ...

    async def flush(self) -> None: ...


@dataclass(frozen=True)
class StageFeed:
    """A stage with the handlers of its topics, by topic, and the table its state is in.

    The handlers of a `bulk` stage only put messages aside; its flush looks at them, counts and refuses them.
    """

    name: str
    stage: Stage
    handlers: Mapping[str, Callable[[Message], Awaitable[None]]]
    bulk: bool = False


@dataclass
class _Running:
    """A stage as it runs: its table and the events not yet stored."""

    spec: StageFeed
    table: Any
    unacknowledged: list[tuple[StreamT[bytes], EventT[bytes]]] = field(default_factory=list)
    bytes_held: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.unacknowledged) >= MAX_UNFLUSHED or self.bytes_held >= MAX_UNFLUSHED_BYTES

    def hold(self, stream: StreamT[bytes], event: EventT[bytes], size: int) -> None:
        self.unacknowledged.append((stream, event))
        self.bytes_held += size

    def let_go(self) -> list[tuple[StreamT[bytes], EventT[bytes]]]:
        """The events held; they are held no more."""
        done, self.unacknowledged, self.bytes_held = self.unacknowledged, [], 0
        return done


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
        self._dead_letters = DeadLetters(producer, APP_ID)
        self._flush_seconds = flush_seconds
        self._settings = settings
        self._specs = specs
        self._feeds: list[_Running] = []
        self._lock = asyncio.Lock()
        self._assigned = False
        self._generation = 0
        self._continuity: Continuity[TP] = Continuity({})
        self._sources: list[TP] = []
        self._ends = Ends(settings)
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

    async def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Offset after the last message there is now, by partition; empty while the broker does not say.

        The broker is asked: what the last fetch said of an end may be older than what was read of other topics.
        """
        found = await self._ends.of([TP(topic, partition) for partition in partitions])
        return {source.partition: end for source, end in found.items()}

    def committed(self, topic: str, partition: int) -> int:
        """Offset of the first message that was not acknowledged."""
        consumer: Any = self._app.consumer
        return consumer._committed_offset.get(TP(topic, partition)) or 0

    async def start(self) -> None:
        await self._ends.start()
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
        await self._ends.stop()

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
            stream_buffer_maxsize=BUFFERED_EVENTS,
            web_enabled=False,
            broker_commit_interval=1.0,
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=SESSION_SECONDS / 5,
            broker_request_timeout=30.0,
            producer_request_timeout=15.0,
            producer_max_request_size=kafka.MAX_MESSAGE_BYTES,
            consumer_max_fetch_size=FETCH_BYTES,
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
                    message = _message(event)
                    if not self._continuity.takes(event.message.tp, message.offset):
                        continue
                    if feed.spec.bulk:
                        await handler(message)
                    else:
                        await self._process(handler, message)
                    if generation == self._generation:
                        feed.hold(stream, event, len(message.value or b""))
                    if feed.is_full:
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
        except Exception as error:
            if is_transient(error):
                raise
            await self._dead_letters.send(message, error)
        else:
            MESSAGES.labels(message.topic, APP_ID, "processed").inc()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._flush_seconds):
                    await self._wake.wait()
            self._wake.clear()
            await self._flush()
            await self._read_again()
            self._check()

    async def _read_again(self) -> None:
        """Ask again for messages that should have come."""
        if not self._assigned:
            return
        consumer: Any = self._app.consumer
        ends = await self._ends.of(self._sources)
        for source, offset in self._continuity.to_read_again(ends, time.monotonic()).items():
            log.warning("read again", topic=source.topic, partition=source.partition, offset=offset)
            consumer._gap.pop(source, None)
            await consumer.seek(source, offset)

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
                done = feed.let_go()
                with metrics.FLUSH_SECONDS.labels(feed.spec.name).time():
                    await feed.spec.stage.flush()
                for stream, event in done:
                    await stream.ack(event)
            self._flushed.set()

    async def _begin(self, assigned: set[TP]) -> None:
        """Read each source from where the group has come to, or from its beginning."""
        topics = {topic for feed in self._feeds for topic in feed.spec.handlers}
        self._sources = [source for source in assigned if source.topic in topics]
        consumer: Any = self._app.consumer
        committed = await consumer.seek_to_committed() if self._sources else {}
        first = await consumer.earliest_offsets(*self._sources) if self._sources else {}
        self._continuity = Continuity({one: max(committed.get(one) or 0, first[one]) for one in self._sources})

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        async with self._lock:
            self._assigned = False
            self._generation += 1
            for feed in self._feeds:
                feed.let_go()
                feed.spec.stage.assign({})

    async def _on_assigned(self, *_: Any, **__: Any) -> None:
        async with self._lock:
            self._generation += 1
            assigned: set[TP] = self._app.assignor.assigned_actives()
            await self._begin(assigned)
            for feed in self._feeds:
                feed.let_go()
                owned = {tp.partition for tp in assigned if tp.topic in feed.spec.handlers}
                log.info("partitions assigned", stage=feed.spec.name, partitions=sorted(owned))
                feed.spec.stage.assign(_stored(feed.table, owned))
            self._assigned = True


@dataclass(frozen=True)
class TopicEnds:
    """Where the partitions of one topic stand."""

    streams: Streams
    topic: str

    async def ends(self, partitions: Sequence[int]) -> dict[int, int]:
        """See `Streams.ends`."""
        return await self.streams.ends(self.topic, partitions)

    def committed(self, partition: int) -> int:
        """See `Streams.committed`."""
        return self.streams.committed(self.topic, partition)


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
    received = int(source.timestamp * 1e6)
    return Message(source.topic, source.partition, source.offset, source.key, source.value, tuple(pairs), received)
