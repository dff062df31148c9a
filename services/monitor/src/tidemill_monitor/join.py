"""First stage: joins the truths of each partition to its predictions and tells how each pane stands."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, cast

from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill.v1.prediction_pb2 import GroundTruth, GroundTruthBatch, PredictionBatch
from tidemill_contracts import topics
from tidemill_runtime import failpoints, logs
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import derived_id, new_event
from tidemill_runtime.metrics import MESSAGES

from tidemill_monitor import metrics
from tidemill_monitor.domain.lenses import Lenses
from tidemill_monitor.domain.partition import EARLY_LIMIT, Changes, Partition
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.messages import Message, Publisher, Refusals, StateLog
from tidemill_monitor.taking import Item, Refused, take

APPROVAL_POLL_SECONDS = 0.05
GROUP = "tidemill-monitor"

log = logs.get_logger(__name__)


class TruthTopic(Protocol):
    """Where the partitions of `ground-truth` stand."""

    async def ends(self, partitions: Sequence[int]) -> Mapping[int, int]:
        """Offset after the last message there is now, of those partitions of which it is known."""

    def committed(self, partition: int) -> int:
        """Offset of the first message that no stage has stored."""


class JoinStage:
    """State of the partitions this process has. Messages are put aside, and done with after the next `flush`.

    Event time goes on to where the predictions were when the truths now read were all there were: a truth that is there
    before a prediction is never too late because the prediction was read first.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        log_: StateLog,
        publisher: Publisher,
        refuse: Refusals,
        approval_wait_seconds: float = 10.0,
    ) -> None:
        self._catalogue = catalogue
        self._log = log_
        self._publisher = publisher
        self._refuse = refuse
        self._approval_wait_seconds = approval_wait_seconds
        self._unapproved: set[tuple[str, int]] = set()
        self._partitions: dict[int, Partition] = {}
        self._last_truths: dict[int, int] = {}
        self._until: dict[int, dict[str, int]] = {}
        self._waits: dict[int, tuple[int, dict[str, int]]] = {}
        self._inbox: list[Message] = []
        self.truths: TruthTopic | None = None

    def assign(self, stored: Mapping[int, Iterable[tuple[str, bytes]]]) -> None:
        """Own exactly these partitions, with what was stored of them."""
        self._partitions = {}
        self._last_truths, self._until, self._waits = {}, {}, {}
        self._inbox = []
        lenses = Lenses(self._catalogue)
        for number, items in stored.items():
            partition = Partition(number, self._catalogue, EARLY_LIMIT, lenses)
            useless = partition.restore(items)
            if useless:
                log.warning("stored state is not used", partition=number, values=len(useless), first=useless[0])
            self._partitions[number] = partition

    async def on_predictions(self, message: Message) -> None:
        """Put a batch of predictions aside."""
        self._inbox.append(message)

    async def on_truth(self, message: Message) -> None:
        """Put a truth, or a batch of them, aside."""
        self._inbox.append(message)

    async def flush(self) -> None:
        """Take in what was put aside, store what changed, then tell the panes that changed, then refuse what could not
        be used. Raises Unavailable when that is not sure."""
        inbox, self._inbox = self._inbox, []
        refused = await self._take(inbox) if inbox else []
        await self._go_on()
        partials, changes = await asyncio.to_thread(self._changes)
        await asyncio.gather(*(self._store(number, lists) for number, lists in changes))
        if partials:
            failpoints.hit("monitor.before-partial")
        await self._tell(partials)
        for message, error in refused:
            await self._refuse(message, error)

    async def _take(self, inbox: Sequence[Message]) -> list[Refused]:
        items, refused = await asyncio.to_thread(decode_all, inbox)
        await self._wait_for_approvals(
            {(one.model, one.version) for _, one in items if isinstance(one, PredictionBatch)}
        )
        for message in inbox:
            if message.topic == topics.GROUND_TRUTH:
                self._last_truths[message.partition] = message.offset
        refused += await asyncio.to_thread(take, self._partitions, items)
        _count_messages(inbox, refused)
        return refused

    async def _go_on(self) -> None:
        """Let event time go on in the partitions whose truths have been read as far as they were there."""
        if self.truths is None:
            return
        ends = await self.truths.ends(list(self._partitions))
        for number, owner in self._partitions.items():
            last = self._last_truths.get(number)
            following = self.truths.committed(number) if last is None else last + 1
            if number in self._waits and following >= self._waits[number][0]:
                self._until[number] = self._waits.pop(number)[1]
            if number in ends and following >= ends[number]:
                self._until[number] = owner.watermarks
            elif number in ends and number not in self._waits:
                self._waits[number] = ends[number], owner.watermarks

    def _changes(self) -> tuple[list[PanePartial], list[tuple[int, list[Changes]]]]:
        """What is to be told, and what is to be stored before."""
        partials: list[PanePartial] = []
        for number, owner in self._partitions.items():
            until = self._until.get(number, {}) if self.truths is not None else None
            owner.expire(until)
            partials.extend(owner.take_partials(until))
            _count(owner)
        return partials, [(number, owner.take_changes()) for number, owner in self._partitions.items()]

    async def _store(self, partition: int, lists: Sequence[Changes]) -> None:
        for changes in lists:
            await self._log.write(partition, changes)

    async def _tell(self, partials: Sequence[PanePartial]) -> None:
        """Tell the panes of each model in their order: together, but the last one, which brings the watermark."""
        last = {(partial.model, partial.partition): place for place, partial in enumerate(partials)}
        closing = set(last.values())
        await asyncio.gather(*(self._send(one) for place, one in enumerate(partials) if place not in closing))
        await asyncio.gather(*(self._send(partials[place]) for place in sorted(closing)))

    async def _send(self, partial: PanePartial) -> None:
        event = new_event("monitor", partial.model, partial, id=pane_event_id(partial))
        await self._publisher.send(topics.MONITOR_WINDOWS, event)

    async def _wait_for_approvals(self, versions: set[tuple[str, int]]) -> None:
        """Wait a while for versions that are routed before the news of their approval has been read here."""
        unknown = {key for key in versions if self._catalogue.watch(key[0]) and not self._catalogue.is_approved(*key)}
        awaited = unknown - self._unapproved
        deadline = time.monotonic() + self._approval_wait_seconds
        while awaited and time.monotonic() < deadline:
            await asyncio.sleep(APPROVAL_POLL_SECONDS)
            awaited = {key for key in awaited if not self._catalogue.is_approved(*key)}
        self._unapproved = (self._unapproved | awaited) - {key for key in versions if self._catalogue.is_approved(*key)}


def pane_event_id(partial: PanePartial) -> str:
    """Id of the event that tells how a pane stands: the same for the same state."""
    place = (partial.model, partial.version, partial.partition, partial.start, str(partial.mirror))
    return derived_id("pane", *place, partial.offset, partial.censored)


def decode_all(inbox: Sequence[Message]) -> tuple[list[Item], list[Refused]]:
    """Predictions and truths of messages, and the messages that are none, with the reason."""
    items: list[Item] = []
    refused: list[Refused] = []
    for message in inbox:
        try:
            if message.topic == topics.PREDICTIONS:
                items.append((message, message.data(PredictionBatch)))
            else:
                items.append(
                    (message, cast(GroundTruth | GroundTruthBatch, message.data(GroundTruth, GroundTruthBatch)))
                )
        except InvalidInput as error:
            refused.append((message, error))
    return items, refused


def _count_messages(inbox: Sequence[Message], refused: Sequence[Refused]) -> None:
    for topic in (topics.PREDICTIONS, topics.GROUND_TRUTH):
        count = sum(message.topic == topic for message in inbox) - sum(one.topic == topic for one, _ in refused)
        MESSAGES.labels(topic, GROUP, "processed").inc(count)


def _count(owner: Partition) -> None:
    for (model, outcome), count in owner.counts.items():
        if count and outcome == "taken":
            metrics.PREDICTIONS.labels(model).inc(count)
        elif count:
            metrics.LABELS.labels(model, outcome).inc(count)
    owner.counts.clear()
