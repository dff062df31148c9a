"""Stores the batches of one stream, each message exactly once in each table whatever crashes.

Raw first, then quarantine, then the clean rows: the clean table is the last to move, so the smaller of its and the raw
table's positions is where to resume; what a table already has of a repeated batch is left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import pyarrow as pa
from tidemill_runtime import failpoints

from tidemill_ingest import metrics
from tidemill_ingest.adapters.lake import QUARANTINE_SCHEMA, RAW_SCHEMA, Lake, Table
from tidemill_ingest.domain.messages import Message, Refusal, Stream
from tidemill_ingest.domain.recent import RecentIds

REMEMBERED_IDS = 1_000_000

T = TypeVar("T")


class StreamStore:
    """One stream's raw, quarantine and clean tables. Calls block; use them off the event loop."""

    def __init__(self, lake: Lake, stream: Stream, clean: Table) -> None:
        self._stream = stream
        self._raw = lake.raw(stream.name)
        self._quarantine = lake.quarantine(stream.name)
        self._clean = clean
        self._recent = RecentIds(REMEMBERED_IDS)

    def positions(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Offset to resume from, per partition. Reads the ids again, for another member may have added some."""
        for table in (self._raw, self._quarantine, self._clean):
            table.open()
        if self._stream.key:
            self._recent.replace(self._clean.read([self._stream.key])[self._stream.key])
        return {
            partition: min(self._position(table, partition) for table in (self._raw, self._clean))
            for partition in partitions
        }

    def store(self, messages: Sequence[Message]) -> None:
        """Store a batch; Conflict means that another member owns a partition now, and nothing more is stored."""
        ends = {message.partition: message.offset + 1 for message in messages}
        raw = self._unseen(self._raw, messages, lambda message: (message.partition, message.offset))
        if raw:
            self._append(self._raw, _table([_raw(self._stream.topic, message) for message in raw], RAW_SCHEMA), ends)
        failpoints.hit("ingest.after-raw")
        refined = self._stream.refine(messages)
        refusals = self._unseen(
            self._quarantine, refined.refusals, lambda refusal: (refusal.message.partition, refusal.message.offset)
        )
        if refusals:
            rows = [_refused(self._stream.topic, refusal) for refusal in refusals]
            self._append(self._quarantine, _table(rows, QUARANTINE_SCHEMA), ends)
        failpoints.hit("ingest.after-quarantine")
        places = self._unseen(self._clean, list(zip(refined.offsets, refined.rows, strict=True)), lambda pair: pair[0])
        fresh = [row for _, row in places if self._is_fresh(row)]
        if fresh:
            self._store_clean(fresh, ends)
        failpoints.hit("ingest.after-clean")
        self._count(len(fresh), len(refusals), len(places) - len(fresh))

    def _store_clean(self, rows: list[dict[str, object]], ends: Mapping[int, int]) -> None:
        try:
            self._append(self._clean, _table(rows, self._clean.schema), ends)
        except BaseException:
            if self._stream.key:
                self._recent.forget(str(row[self._stream.key]) for row in rows)
            raise

    def _is_fresh(self, row: Mapping[str, object]) -> bool:
        return self._stream.key is None or self._recent.add(str(row[self._stream.key]))

    def _append(self, table: Table, rows: pa.Table, ends: Mapping[int, int]) -> None:
        transactions = {
            self._application(partition): (self._position(table, partition), end)
            for partition, end in ends.items()
            if end > self._position(table, partition)
        }
        table.append(rows, transactions)
        table.compact()

    def _unseen(self, table: Table, items: Iterable[T], place: Callable[[T], tuple[int, int]]) -> list[T]:
        positions: dict[int, int] = {}
        unseen = []
        for item in items:
            partition, offset = place(item)
            if partition not in positions:
                positions[partition] = self._position(table, partition)
            if offset >= positions[partition]:
                unseen.append(item)
        return unseen

    def _position(self, table: Table, partition: int) -> int:
        return table.transaction_version(self._application(partition))

    def _application(self, partition: int) -> str:
        return f"ingest/{self._stream.topic}/{partition}"

    def _count(self, clean: int, refused: int, repeated: int) -> None:
        for outcome, number in (("clean", clean), ("refused", refused), ("repeated", repeated)):
            metrics.RECORDS.labels(self._stream.name, outcome).inc(number)


def _raw(topic: str, message: Message) -> dict[str, object]:
    return {
        "topic": topic,
        "partition": message.partition,
        "offset": message.offset,
        "received_at": message.received_at,
        "key": message.key,
        "value": message.value,
    }


def _refused(topic: str, refusal: Refusal) -> dict[str, object]:
    return {**_raw(topic, refusal.message), "reasons": list(refusal.reasons)}


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)
