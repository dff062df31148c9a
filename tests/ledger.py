"""The ledger: what was acknowledged to the outside against the final effects. Nothing lost, no effect twice.

Everything that may crash is judged with it. `Ledger` notes what was acknowledged; `imbalances` reads the final state of
topics, lake, database and lists every difference.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from deltalake import DeltaTable
from google.protobuf.message import Message
from tidemill.v1.data_pb2 import DataArrived
from tidemill.v1.model_pb2 import ModelApproved, Route
from tidemill.v1.monitoring_pb2 import DriftDetected
from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts import topics
from tidemill_runtime import kafka


@dataclass
class Ledger:
    """What was acknowledged: record ids by source, ids that must be refused, labelled record ids, prediction ids."""

    pipeline: str
    records: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    predictions: list[str] = field(default_factory=list)

    def record(self, source: str, identifier: str) -> None:
        self.records.setdefault(source, []).append(identifier)

    def refuse(self, source: str, identifier: str) -> None:
        self.refused.setdefault(source, []).append(identifier)


@dataclass(frozen=True)
class Places:
    """Where the effects are."""

    bootstrap: str
    lake: str
    registry: str
    trainer: str


async def imbalances(ledger: Ledger, places: Places, *, gateway_was_killed: bool = False) -> list[str]:
    """Every difference, in words; empty when the ledger balances.

    A prediction's log is off the request path by design: a killed gateway may lose what it had not flushed, and only
    then; it never logs one twice.
    """
    found: list[str] = []
    for source in {*ledger.records, *ledger.refused}:
        found += await _source(ledger, places, source)
    found += _labels(ledger, places)
    found += await _events(ledger, places)
    found += await _decisions(ledger, places)
    found += await _predictions(ledger, places, gateway_was_killed=gateway_was_killed)
    return found


async def _source(ledger: Ledger, places: Places, source: str) -> list[str]:
    acknowledged = ledger.records.get(source, [])
    clean = _column(f"{places.lake}/records/{source}", "id")
    found = _same(f"records/{source}", set(acknowledged), clean)
    refused = ledger.refused.get(source, [])
    if refused:
        kept = [(key or b"").decode() for key in _column(f"{places.lake}/quarantine/{source}", "key")]
        found += _same(f"quarantine/{source}", set(refused), kept)
    ends = await _ends(places.bootstrap, topics.records(source))
    raw = DeltaTable(f"{places.lake}/raw/{source}").to_pyarrow_table(columns=["partition", "offset"]).to_pylist()
    expected = {(partition, offset) for partition, end in ends.items() for offset in range(end)}
    return found + _same(f"raw/{source}", expected, [(row["partition"], row["offset"]) for row in raw])


def _labels(ledger: Ledger, places: Places) -> list[str]:
    kept = _column(f"{places.lake}/labels", "record_id")
    return _same("labels", Counter(ledger.labels), kept)


async def _events(ledger: Ledger, places: Places) -> list[str]:
    """Announcements match the data set; one id never says two things."""
    found: list[str] = []
    by_topic: dict[str, dict[str, Message]] = {}
    kinds = {
        topics.DATA_ARRIVED: DataArrived,
        topics.MODEL_TRAINED: ModelTrained,
        topics.MODEL_APPROVED: ModelApproved,
        topics.ROUTES: Route,
        topics.DRIFT_DETECTED: DriftDetected,
    }
    for topic, kind in kinds.items():
        seen = by_topic.setdefault(topic, {})
        for identifier, event in await read_events(places.bootstrap, topic, kind):
            if seen.setdefault(identifier, event) != event:
                found.append(f"{topic}: event {identifier} says two things")
    arrived: list[Any] = sorted(by_topic[topics.DATA_ARRIVED].values(), key=lambda event: event.version)
    found += _consecutive("data-arrived versions", [event.version for event in arrived])
    rows = _column(f"{places.lake}/datasets/{ledger.pipeline}", "record_id") if arrived else []
    found += _unique(f"datasets/{ledger.pipeline}", rows)
    if arrived and arrived[-1].rows != len(rows):
        found.append(f"data-arrived says {arrived[-1].rows} rows, the data set has {len(rows)}")
    stranger = set(rows) - set(ledger.labels)
    if stranger:
        found.append(f"the data set has rows nobody labelled: {sorted(stranger)[:3]}")
    routes: list[Any] = sorted(by_topic[topics.ROUTES].values(), key=lambda event: event.epoch)
    return found + _consecutive("route epochs", [event.epoch for event in routes])


async def _decisions(ledger: Ledger, places: Places) -> list[str]:
    """Each run ends in one version, each approval in one event, and the audit is whole."""
    async with httpx.AsyncClient(timeout=10) as http:
        versions = (await http.get(f"{places.registry}/v1/models/{ledger.pipeline}/versions?limit=1000")).json()
        verification = (await http.get(f"{places.registry}/v1/audit/verification")).json()
        runs = (await http.get(f"{places.trainer}/v1/runs")).json()
    if isinstance(versions, dict):
        return [f"registry: {versions['error']}"]
    found = [] if verification["intact"] else [f"the audit is broken at {verification['first_broken']}"]
    found += _consecutive("versions", sorted(row["version"] for row in versions))
    announced = dict(await read_events(places.bootstrap, topics.MODEL_TRAINED, ModelTrained))
    trained = [event.run_id for event in announced.values()]
    found += _same("versions of runs", set(trained), [row["run_id"] for row in versions])
    succeeded = {row["id"] for row in runs if row["state"] == "succeeded"}
    found += _same("model-trained of runs", succeeded, trained)
    approved = await read_events(places.bootstrap, topics.MODEL_APPROVED, ModelApproved)
    told = {event.version for _, event in approved}
    let = {row["version"] for row in versions if row["state"] in ("approved", "rolled_back")}
    return found + _same("model-approved of versions", let, list(told))


async def _predictions(ledger: Ledger, places: Places, *, gateway_was_killed: bool) -> list[str]:
    batches = await read_events(places.bootstrap, topics.PREDICTIONS, PredictionBatch)
    logged = [identifier for _, batch in batches if not batch.error for identifier in batch.prediction_ids]
    found = _unique("predictions", logged)
    lost = set(ledger.predictions) - set(logged)
    if lost and not gateway_was_killed:
        found.append(f"predictions: {len(lost)} answered and not logged, for example {sorted(lost)[:3]}")
    return found


async def read_events(bootstrap: str, topic: str, kind: type[Any]) -> list[tuple[str, Any]]:
    """Every event of a topic with its id, in order within each partition."""
    messages = await _messages(bootstrap, topic)
    return [(_header(message, "ce_id"), kind.FromString(message.value)) for message in messages]


async def read_traces(bootstrap: str, topic: str) -> set[str]:
    """Trace ids of a topic's events."""
    traceparents = [_header(message, "traceparent") for message in await _messages(bootstrap, topic)]
    return {traceparent.split("-")[1] for traceparent in traceparents if traceparent}


async def _messages(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    async with _reader(bootstrap, topic) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        async with asyncio.timeout(30):
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for messages in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(messages)
    return found


def _header(message: ConsumerRecord, name: str) -> str:
    return dict(message.headers).get(name, b"").decode()


async def _ends(bootstrap: str, topic: str) -> dict[int, int]:
    async with _reader(bootstrap, topic) as consumer:
        ends = await consumer.end_offsets(list(consumer.assignment()))
    return {place.partition: end for place, end in ends.items()}


@asynccontextmanager
async def _reader(bootstrap: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        yield consumer
    finally:
        await kafka.close(consumer)


def _column(table: str, name: str) -> list[Any]:
    return list(DeltaTable(table).to_pyarrow_table(columns=[name])[name].to_pylist())


def _same(what: str, expected: Iterable[Any], actual: Iterable[Any]) -> list[str]:
    wanted, got = Counter(expected), Counter(actual)
    found = []
    if lost := list((wanted - got).elements()):
        found.append(f"{what}: {len(lost)} lost, for example {lost[:3]}")
    if extra := list((got - wanted).elements()):
        found.append(f"{what}: {len(extra)} too many, for example {extra[:3]}")
    return found


def _unique(what: str, items: Iterable[Any]) -> list[str]:
    repeated = [item for item, count in Counter(items).items() if count > 1]
    return [f"{what}: {len(repeated)} twice, for example {repeated[:3]}"] if repeated else []


def _consecutive(what: str, numbers: list[int]) -> list[str]:
    broken = [(a, b) for a, b in pairwise([0, *numbers]) if b != a + 1]
    return [f"{what}: {broken[0][1]} follows {broken[0][0]}"] if broken else []
