"""First stage: joins the truths of each partition to its predictions and tells how each window stands."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from tidemill.v1.monitoring_pb2 import WindowPartial
from tidemill.v1.prediction_pb2 import GroundTruth, PredictionBatch
from tidemill_contracts import topics
from tidemill_runtime import failpoints
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import derived_id, new_event
from tidemill_stats import StatsError

from tidemill_monitor import metrics
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.messages import Message, Publisher, StateLog

APPROVAL_POLL_SECONDS = 0.05


class JoinStage:
    """State of the partitions this process has; messages are done with after the next `flush`.

    `truths_end` says whether a partition of `ground-truth`, its last offset seen here given, was read to its end.
    """

    def __init__(
        self, catalogue: Catalogue, log: StateLog, publisher: Publisher, approval_wait_seconds: float = 10.0
    ) -> None:
        self._catalogue = catalogue
        self._log = log
        self._publisher = publisher
        self._approval_wait_seconds = approval_wait_seconds
        self._unapproved: set[tuple[str, int]] = set()
        self._partitions: dict[int, Partition] = {}
        self._last_truths: dict[int, int] = {}
        self.truths_end: Callable[[int, int | None], bool] = lambda partition, last: True

    def assign(self, stored: Mapping[int, Iterable[tuple[str, bytes]]]) -> None:
        """Own exactly these partitions, with what was stored of them."""
        self._partitions = {}
        self._last_truths = {}
        for number, items in stored.items():
            partition = Partition(number, self._catalogue)
            partition.restore(items)
            self._partitions[number] = partition

    async def on_predictions(self, message: Message) -> None:
        """Take a batch of predictions. Raises InvalidInput when it cannot be used."""
        batch = message.event(PredictionBatch).data
        await self._wait_for_approval(batch)
        taken = self._call(message, lambda owner: owner.add_predictions(batch, message.offset, _now()))
        metrics.PREDICTIONS.labels(batch.model).inc(taken)

    async def on_truth(self, message: Message) -> None:
        """Take a truth; one that belongs to no prediction (it is for training alone) is none of ours."""
        event = message.event(GroundTruth)
        truth = event.data
        self._last_truths[message.partition] = message.offset
        if not truth.prediction_id:
            return
        observed = (
            truth.observed_at.ToMicroseconds() if truth.HasField("observed_at") else int(event.time.timestamp() * 1e6)
        )
        self._call(message, lambda owner: owner.add_truth(truth, message.offset, observed))

    async def flush(self) -> None:
        """Store what changed, then tell the windows that changed. Raises Unavailable when that is not sure."""
        partials: list[WindowPartial] = []
        for number, owner in self._partitions.items():
            truths_read = self.truths_end(number, self._last_truths.get(number))
            owner.expire(truths_read)
            partials.extend(owner.take_partials(truths_read))
            self._count(owner)
        changes = [(number, owner.take_changes()) for number, owner in self._partitions.items()]
        await asyncio.gather(*(self._store(number, lists) for number, lists in changes))
        if partials:
            failpoints.hit("monitor.before-partial")
        for partial in partials:
            identity = derived_id(
                "window", partial.model, partial.version, partial.partition, partial.start, partial.offset
            )
            event = new_event("monitor", partial.model, partial, id=identity)
            await self._publisher.send(topics.MONITOR_WINDOWS, event)

    async def _store(self, partition: int, lists: Sequence[Sequence[tuple[str, bytes | None]]]) -> None:
        for changes in lists:
            await self._log.write(partition, changes)

    def _call(self, message: Message, take: Callable[[Partition], int]) -> int:
        owner = self._partitions.get(message.partition)
        if owner is None:
            return 0
        try:
            return take(owner)
        except StatsError as error:
            raise InvalidInput(str(error)) from error

    async def _wait_for_approval(self, batch: PredictionBatch) -> None:
        """Wait a while for a version that is routed before the news of its approval has been read here."""
        key = (batch.model, batch.version)
        if self._catalogue.watch(batch.model) is None:
            raise InvalidInput(f"no pipeline file has the model {batch.model!r}")
        deadline = time.monotonic() + (0 if key in self._unapproved else self._approval_wait_seconds)
        while self._catalogue.version(*key) is None:
            if time.monotonic() >= deadline:
                self._unapproved.add(key)
                raise InvalidInput(f"version {batch.version} of model {batch.model!r} was never approved")
            await asyncio.sleep(APPROVAL_POLL_SECONDS)
        self._unapproved.discard(key)

    def _count(self, owner: Partition) -> None:
        for (model, outcome), count in owner.counts.items():
            if count:
                metrics.LABELS.labels(model, outcome).inc(count)
        owner.counts.clear()


def _now() -> int:
    return time.time_ns() // 1000
