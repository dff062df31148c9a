"""A stage's state in the changelog topic of its faust table.

The stages write their changelogs themselves, with acknowledgement, before a message is acknowledged to faust; faust
reads them back when partitions are assigned. (A faust table's own write is fire and forget, and allowed only while a
message of the same partition is being processed.)
"""

import asyncio
from collections.abc import Sequence

from tidemill_runtime.bus import Producer

from tidemill_monitor import metrics

PARALLEL_WRITES = 64


class Changelog:
    """Writes the changelog topic of one table."""

    def __init__(self, producer: Producer, topic: str, stage: str) -> None:
        self._producer = producer
        self._topic = topic
        self._stage = stage

    async def write(self, partition: int, changes: Sequence[tuple[str, bytes | None]]) -> None:
        """Store values by key, None removes; returns when all replicas have them. Raises Unavailable."""
        for first in range(0, len(changes), PARALLEL_WRITES):
            part = changes[first : first + PARALLEL_WRITES]
            await asyncio.gather(*(self._write(partition, key, value) for key, value in part))

    async def _write(self, partition: int, key: str, value: bytes | None) -> None:
        await self._producer.send_raw(self._topic, key=key.encode(), value=value, partition=partition)
        metrics.STATE_BYTES.labels(self._stage).inc(len(value or b""))
