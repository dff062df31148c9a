"""The label join of one partition of `predictions` and of `ground-truth`, which are partitioned alike.

Rows are known by prediction id, and of several truths of one row the one with the latest offset counts. So messages may
come twice, in bulks of any size, and truths before, after or between their predictions: what is known in the end is the
same. All times are event times; the wall clock is not looked at.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.batches import Bulk, Kind, Signature, kind_of, signature_of
from tidemill_monitor.domain.block import Block, Pane
from tidemill_monitor.domain.early import EarlyTruths
from tidemill_monitor.domain.intake import Arm, Intake
from tidemill_monitor.domain.lenses import Lenses
from tidemill_monitor.domain.pane_state import PaneState
from tidemill_monitor.domain.releasing import tell_release
from tidemill_monitor.domain.telling import partial
from tidemill_monitor.domain.truth_bulk import TruthBulk, TruthMessage
from tidemill_monitor.domain.watched import Catalogue, Watch

EARLY_LIMIT: Final = 50_000
BEGINNING: Final = -(1 << 62)
PLACE: Final = 6

Changes = list[tuple[str, bytes | None]]


class Partition:
    """State of one partition. Messages are added, then processed together; `take_changes` says what to store,
    `take_partials` what to tell the second stage."""

    def __init__(
        self, number: int, catalogue: Catalogue, early_limit: int = EARLY_LIMIT, lenses: Lenses | None = None
    ) -> None:
        self.number = number
        self.counts: Counter[tuple[str, str]] = Counter()
        self._catalogue = catalogue
        self._early_limit = early_limit
        self._intake = Intake(lenses or Lenses(catalogue), self.counts, self._early_of)
        self._early: dict[str, EarlyTruths] = {}
        self._bulks: dict[Signature, Bulk] = {}
        self._usual_bulks: dict[Kind, Bulk] = {}
        self._truth_bulks: dict[str, TruthBulk] = {}
        self._seen: dict[str, int] = {}
        self._watermarks: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._expired: set[Pane] = set()
        self._released: set[str] = set()
        self._stored_watermarks: dict[str, int] = {}
        self._to_remove: list[str] = []

    @property
    def watermarks(self) -> dict[str, int]:
        """Latest event time by model, microseconds since the epoch."""
        return dict(self._watermarks)

    @property
    def rows(self) -> int:
        """Predictions that are kept, waiting for a label or labelled."""
        return self._intake.rows

    def add_predictions(self, batch: PredictionBatch, offset: int, now: int) -> None:
        """Add a batch that stood at `offset`; rows already known, late or of the far future will not count.

        `now`: when Kafka got it, microseconds since the epoch. Raises InvalidInput when the batch contradicts itself,
        its version or its pipeline; then nothing was added.
        """
        watch = self._catalogue.watch(batch.model)
        if watch is None or not self._catalogue.is_approved(batch.model, batch.version):
            raise InvalidInput(f"version {batch.version} of model {batch.model!r} is not approved, or has no pipeline")
        before = self._seen.get(batch.model, self._watermarks.get(batch.model, BEGINNING))
        kind = kind_of(batch)
        usual = self._usual_bulks.get(kind)
        latest = usual.add(batch, offset, before, now) if usual else None
        if latest is None:
            signature = signature_of(batch)
            bulk = self._bulks.get(signature) or Bulk(watch, signature)
            latest = bulk.add(batch, offset, before, now)
            if latest is None:
                raise InvalidInput("an input has no values")
            self._bulks[signature] = self._usual_bulks[kind] = bulk
        self._seen[batch.model] = latest

    def add_truths(self, message: TruthMessage, offset: int, now: int) -> None:
        """Add truths that stood at `offset`; `now`: when Kafka got them, microseconds since the epoch.

        Raises InvalidInput when the message contradicts itself, or says one truth and that cannot be one; then nothing
        was added.
        """
        named = self._catalogue.model_of(message.pipeline)
        watch = self._catalogue.watch(named)
        bulk = self._truth_bulks.get(named) or TruthBulk()
        bulk.add(message, offset, now, watch)
        self._truth_bulks[named] = bulk

    def process(self) -> None:
        """Take in what was added. If it raises, what was not taken in is dropped, to be added again."""
        bulks, self._bulks, self._usual_bulks = self._bulks, {}, {}
        truths, self._truth_bulks = self._truth_bulks, {}
        seen, self._seen = self._seen, {}
        for bulk in bulks.values():
            self._intake.take_predictions(Arm(*bulk.arm), bulk.predictions())
        self._watermarks.update(seen)
        for named, truth_bulk in truths.items():
            self._take_truths(named, truth_bulk)

    def expire(self, until: Mapping[str, int] | None = None) -> None:
        """Forget predictions that no longer wait for a truth, with their panes, and truths without prediction.

        A pane is kept until what was last known of it has been stored and told, for the rows that may be read again
        are too late then. `until`: event time by model that is past, None: as far as the predictions were read.
        """
        for pane, state in list(self._intake.states.items()):
            watch = state.lens.watch
            progress = self._progress(pane.model, until)
            if pane not in self._expired and _expiry(pane, watch) < progress:
                self._expired.add(pane)
                self._intake.to_tell.add(pane)
                self.counts[pane.model, "expired"] += state.rows - state.labelled
            elif pane not in self._intake.to_tell and _expiry(pane, watch) + watch.lateness < progress:
                self._remove(pane, state)
        for model, early in self._early.items():
            watch_or_none = self._catalogue.watch(model)
            lateness = watch_or_none.lateness if watch_or_none else 0
            watermark = self._watermarks.get(model, max(self._watermarks.values(), default=BEGINNING))
            self.counts[model, "orphaned"] += early.expire(watermark - lateness)

    def take_changes(self) -> list[Changes]:
        """What changed since the last call, as lists of (key, value or None): store each list before the next.

        Rows come first; then labels, which need them; then early truths, which may have become labels, and the
        watermark, by which rows that are read again would be late; at last what is no longer needed.
        """
        rows: Changes = []
        labels: Changes = []
        rest: Changes = []
        for pane, block in self._intake.take_changed_rows():
            layout = self._intake.states[pane].lens.layout
            rows.append((self._key("block", pane, block), block.encode_rows(layout)))
            if block.room == 0:
                block.forget_counts()
        for pane, block in self._intake.take_changed_labels():
            labels.append((self._key("labels", pane, block), block.encode_labels()))
        for model, early in self._early.items():
            rest.extend((f"early/{self.number}/{bucket}/{model}", data) for bucket, data in early.take_changes())
        for model, watermark in self._watermarks.items():
            if self._stored_watermarks.get(model) != watermark:
                self._stored_watermarks[model] = watermark
                rest.append((f"watermark/{self.number}/{model}", str(watermark).encode()))
        removed: Changes = [(key, None) for key in self._to_remove]
        self._to_remove = []
        return [changes for changes in [rows, labels, rest, removed] if changes]

    def take_partials(self, until: Mapping[str, int] | None = None) -> Iterator[PanePartial]:
        """The panes that changed since the last call, each complete in itself, the oldest first; with those that
        watched where others answered, for they are compared.

        Only the last of a model's brings a new watermark: when it is read, the panes it completes have been read. It is
        told no further than `until`, as `expire` has it.
        """
        self._tell_held_watermarks(until)
        self._tell_new_releases()
        to_tell = self._intake.to_tell
        answered = [pane for pane in to_tell if not pane.mirror]
        to_tell.update(state.pane for pane in answered for state in self._intake.beside(pane))
        changed = sorted(to_tell, key=lambda one: (one.model, one.start, one.version, one.mirror))
        to_tell.clear()
        last = {pane.model: pane for pane in changed}
        for pane in changed:
            model = pane.model
            told = self._told.get(model, pane.start)
            self._told[model] = max(told, self._progress(model, until)) if pane is last[model] else told
            state = self._intake.states[pane]
            expired, offset = pane in self._expired, self._intake.clock(pane)
            message = partial(state, self.number, self._told[model], offset=offset, expired=expired)
            if model in self._released:
                tell_release(message, state, self._intake.answering(pane))
            yield message

    def restore(self, items: Iterable[tuple[str, bytes]]) -> list[str]:
        """Read back what `take_changes` gave to store; every pane is told again. Ignores other partitions' keys.

        Returns what cannot be used any more: of models no longer watched, or counted in another layout.
        """
        useless: list[str] = []
        for key, value in sorted(items):
            kind, partition, *place = key.split("/")
            if int(partition) != self.number:
                continue
            if kind in ("block", "labels"):
                restored = len(place) == PLACE and self._restore_block(kind, place, value)
                useless.extend([] if restored else [key])
            elif kind == "early":
                try:
                    self._early_of(place[1]).restore(value)
                except InvalidInput:
                    useless.append(key)
            elif kind == "watermark":
                self._watermarks[place[0]] = self._stored_watermarks[place[0]] = int(value)
        self._intake.count_restored()
        for named, early in list(self._early.items()):
            early.add(self._intake.take_truths(named, early.take_all()))
        return useless

    def _restore_block(self, kind: str, place: list[str], value: bytes) -> bool:
        pane = Pane(place[0], int(place[1]), place[2] == "1", int(place[3]), int(place[4]))
        return self._intake.restore(kind, pane, int(place[5]), value)

    def _take_truths(self, named: str, bulk: TruthBulk) -> None:
        left = self._intake.take_truths(named, bulk.truths())
        self.counts[named, "invalid"] += bulk.invalid
        if left.keys.size:
            self.counts[named, "orphaned"] += self._early_of(named).add(left)

    def _progress(self, model: str, until: Mapping[str, int] | None) -> int:
        """Event time up to which predictions were read, and the truths that were there before them."""
        predictions = self._watermarks.get(model, BEGINNING)
        return predictions if until is None else min(predictions, until.get(model, BEGINNING))

    def _tell_held_watermarks(self, until: Mapping[str, int] | None) -> None:
        for model, told in self._told.items():
            if told < self._progress(model, until):
                panes = [pane for pane in self._intake.states if pane.model == model]
                self._intake.to_tell.update(sorted(panes, key=lambda one: one.start)[-1:])

    def _tell_new_releases(self) -> None:
        """The newest pane is told again if it was told before the news that a release is under way."""
        models = {pane.model for pane in self._intake.states}
        released = {model for model in models if self._catalogue.is_released(model)}
        for model in released - self._released:
            panes = [pane for pane in self._intake.states if pane.model == model]
            newest = max(pane.start for pane in panes)
            self._intake.to_tell.update(pane for pane in panes if pane.start == newest)
        self._released = released

    def _remove(self, pane: Pane, state: PaneState) -> None:
        self._intake.remove(pane)
        self._expired.discard(pane)
        for block in state.blocks.values():
            self._to_remove.append(self._key("block", pane, block))
            if block.labelled.any():
                self._to_remove.append(self._key("labels", pane, block))

    def _early_of(self, model: str) -> EarlyTruths:
        return self._early.setdefault(model, EarlyTruths(self._early_limit))

    def _key(self, kind: str, pane: Pane, block: Block) -> str:
        place = f"{pane.model}/{pane.version}/{pane.mirror:d}/{pane.start}/{pane.length}/{block.number}"
        return f"{kind}/{self.number}/{place}"


def _expiry(pane: Pane, watch: Watch) -> int:
    """Event time at which the rows of a pane no longer wait for their labels."""
    return pane.end + max(watch.label_expiry, watch.lateness)
