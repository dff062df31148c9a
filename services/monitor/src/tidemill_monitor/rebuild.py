"""`python -m tidemill_monitor.rebuild`: recomputes all panes from `predictions` and `ground-truth`, without faust.

It compares them with what the first stage has told on `monitor-windows` and exits with 1 if they differ; with `--write`
it tells what differs again. It reads as far back as the topics go: panes that began before are missing rows.
Messages are taken in the order Kafka got them, so truths that came after their prediction had expired, when nobody
waited for them any more, may count on one side only.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from tidemill.v1.model_pb2 import ModelApproved, Route
from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill_contracts import topics
from tidemill_runtime import kafka
from tidemill_runtime.bus import Producer
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import M, new_event
from tidemill_runtime.pipelines import read_pipelines
from tidemill_runtime.settings import load_settings

from tidemill_monitor.domain.lenses import Lenses
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.join import decode_all, pane_event_id
from tidemill_monitor.messages import Message
from tidemill_monitor.rebuilding import Comparison, PaneId, Rebuild, compare, digest, newest
from tidemill_monitor.settings import MonitorSettings

POLL_MS = 500
BULK = 2000
SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Rebuild, say how it compares, and return the exit status."""
    parser = argparse.ArgumentParser(prog="tidemill monitor rebuild", description="Recompute panes from the topics.")
    parser.add_argument("--write", action="store_true", help="tell again the panes that differ")
    options = parser.parse_args(arguments)
    return asyncio.run(_run(load_settings(MonitorSettings), write=options.write))


async def _run(settings: MonitorSettings, *, write: bool) -> int:
    catalogue = Catalogue(read_pipelines(settings).values())
    await _note(settings, topics.MODEL_APPROVED, ModelApproved, catalogue.approve)
    await _note(settings, topics.ROUTES, Route, catalogue.note_route)
    told = newest([one.data(PanePartial) async for one in _read(settings, topics.MONITOR_WINDOWS)])
    rebuilt = await rebuild(settings, catalogue)
    comparison = compare(rebuilt, told)
    _show(comparison, rebuilt, told)
    if write:
        await _write(settings, [rebuilt[one] for one in [*comparison.different, *comparison.only_rebuilt]])
    return 0 if comparison.is_same or write else 1


async def rebuild(settings: MonitorSettings, catalogue: Catalogue) -> dict[PaneId, PanePartial]:
    """All panes of all partitions. Raises Unavailable when Kafka is not there."""
    lenses = Lenses(catalogue)
    panes: dict[PaneId, PanePartial] = {}
    partitions = await _partitions(settings)
    for partition in partitions:
        one = Rebuild(partition, catalogue, lenses)
        bulk: list[Message] = []
        async for message in _merged(settings, partition):
            bulk.append(message)
            if len(bulk) >= BULK:
                await asyncio.to_thread(_take, one, bulk)
                bulk = []
        await asyncio.to_thread(_take, one, bulk)
        panes.update(one.finish())
    return panes


def _take(one: Rebuild, bulk: Sequence[Message]) -> None:
    items, refused = decode_all(bulk)
    one.take(items)
    one.refused += refused


async def _merged(settings: MonitorSettings, partition: int) -> AsyncIterator[Message]:
    """Predictions and truths of a partition, in the order Kafka got them."""
    sources = [_read(settings, topic, partition) for topic in (topics.PREDICTIONS, topics.GROUND_TRUTH)]
    heads = [await anext(source, None) for source in sources]
    while waiting := [place for place, head in enumerate(heads) if head is not None]:
        place = min(waiting, key=lambda one: heads[one].received)  # type: ignore[union-attr]
        head = heads[place]
        assert head is not None
        yield head
        heads[place] = await anext(sources[place], None)


async def _read(settings: MonitorSettings, topic: str, partition: int | None = None) -> AsyncIterator[Message]:
    """What is in a topic now, or in one of its partitions, from its beginning."""
    client = await kafka.open_consumer(settings, None, "monitor-rebuild")
    try:
        numbers = await _numbers(client, topic) if partition is None else [partition]
        places = [TopicPartition(topic, number) for number in numbers]
        client.assign(places)
        ends: Mapping[TopicPartition, int] = await kafka.call(client.end_offsets(places), f"end of {topic}")
        await kafka.call(client.seek_to_beginning(*places), f"beginning of {topic}")
        while [place for place in places if await client.position(place) < ends[place]]:
            batches = await client.getmany(timeout_ms=POLL_MS)
            for place, records in batches.items():
                for record in records:
                    if record.offset < ends[place]:
                        yield _message(record)
    finally:
        await kafka.close(client)


async def _numbers(client: AIOKafkaConsumer, topic: str) -> list[int]:
    client.subscribe([topic])
    await kafka.call(client._client.force_metadata_update(), f"metadata of {topic}")
    numbers = sorted(client.partitions_for_topic(topic) or [])
    client.unsubscribe()
    return numbers


async def _partitions(settings: MonitorSettings) -> list[int]:
    client = await kafka.open_consumer(settings, None, "monitor-rebuild")
    try:
        return await _numbers(client, topics.PREDICTIONS)
    finally:
        await kafka.close(client)


async def _note(settings: MonitorSettings, topic: str, kind: type[M], note: Callable[[M], None]) -> None:
    async for message in _read(settings, topic):
        try:
            note(message.data(kind))
        except InvalidInput as error:
            sys.stderr.write(f"skipped {message.topic}/{message.partition}/{message.offset}: {error}\n")


async def _write(settings: MonitorSettings, partials: Sequence[PanePartial]) -> None:
    producer = Producer(settings, "monitor-rebuild")
    await producer.start()
    try:
        for partial in partials:
            event = new_event("monitor", partial.model, partial, id=pane_event_id(partial))
            await producer.send(topics.MONITOR_WINDOWS, event)
    finally:
        await producer.stop()
    _say(f"told again: {len(partials)} panes")


def _show(comparison: Comparison, rebuilt: Mapping[PaneId, PanePartial], told: Mapping[PaneId, PanePartial]) -> None:
    _say(f"rebuilt {len(rebuilt)} panes, {digest(rebuilt)}")
    _say(f"told    {len(told)} panes, {digest(told)}")
    for name, panes in (
        ("equal", comparison.equal),
        ("different", comparison.different),
        ("only told", comparison.only_told),
        ("only rebuilt", comparison.only_rebuilt),
    ):
        _say(f"{name}: {len(panes)}")
        if name != "equal":
            for model, version, mirror, partition, start, _ in panes[:SHOWN]:
                role = "watching" if mirror else "answering"
                _say(f"  {model} version {version} ({role}), partition {partition}, pane at {start / 1e6:.0f} s")


def _message(record: ConsumerRecord) -> Message:
    headers = tuple((name, value) for name, value in record.headers)
    received = record.timestamp * 1000
    return Message(record.topic, record.partition, record.offset, record.key, record.value, headers, received)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
