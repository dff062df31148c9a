"""The label join of one partition of `predictions` and of `ground-truth`, which are partitioned alike.

Rows are known by prediction id, and of several truths of one row the one with the latest offset counts. So messages may
come twice, and truths before, after or between their predictions: what is known in the end is the same.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from tidemill.v1.monitoring_pb2 import WindowPartial
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, GroundTruth, PredictionBatch
from tidemill_stats import DataProfile, InvalidInput
from tidemill_stats.arrays import AnyArray

from tidemill_monitor.domain.batches import inputs_of, prediction_key, profile_rows, rows_of
from tidemill_monitor.domain.block import CAPACITY, Block, Rows, WindowKey
from tidemill_monitor.domain.early import EarlyTruths
from tidemill_monitor.domain.group import Group
from tidemill_monitor.domain.scoring import is_label
from tidemill_monitor.domain.watched import Catalogue, Watch

EARLY_LIMIT: Final = 50_000
BEGINNING: Final = -(1 << 62)
FUTURE_TOLERANCE: Final = 24 * 3600 * 1_000_000

Changes = list[tuple[str, bytes | None]]
Part = tuple[WindowKey, np.ndarray, DataProfile | None]


@dataclass
class Lane:
    """Predictions of one model version: where each key's row is, as block serial * CAPACITY + row."""

    index: dict[int, int]
    blocks: dict[int, Block]
    serial: int = 0


class Partition:
    """State of one partition. `take_changes` says what to store, `take_partials` what to tell the second stage."""

    def __init__(self, number: int, catalogue: Catalogue, early_limit: int = EARLY_LIMIT) -> None:
        self.number = number
        self.counts: Counter[tuple[str, str]] = Counter()
        self._catalogue = catalogue
        self._early_limit = early_limit
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._groups: dict[WindowKey, Group] = {}
        self._serials: dict[tuple[WindowKey, int], int] = {}
        self._early: dict[str, EarlyTruths] = {}
        self._watermarks: dict[str, int] = {}
        self._truth_watermarks: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._to_store: dict[tuple[WindowKey, int], bool] = {}
        self._to_remove: list[str] = []
        self._to_tell: dict[WindowKey, None] = {}

    @property
    def watermarks(self) -> dict[str, int]:
        """Latest event time by model, microseconds since the epoch."""
        return dict(self._watermarks)

    def add_predictions(self, batch: PredictionBatch, offset: int, now: int) -> int:
        """Take a batch that stood at `offset`; rows already known, expired or of the far future count no more.

        `now`: microseconds since the epoch. Returns the rows taken. Raises InvalidInput when the batch contradicts
        itself, its version or its pipeline; then nothing was taken.
        """
        watch = self._catalogue.watch(batch.model)
        version = self._catalogue.version(batch.model, batch.version)
        if watch is None or version is None:
            raise InvalidInput(f"version {batch.version} of model {batch.model!r} is not approved, or has no pipeline")
        rows = rows_of(watch, batch)
        inputs = {} if batch.error or batch.role == ARM_ROLE_MIRROR else inputs_of(batch)
        reference = version.reference if inputs else None
        lane = self._lanes.get((batch.model, batch.version)) or Lane({}, {})
        fresh = self._fresh(watch, lane, rows, now)
        starts = rows.times // watch.window * watch.window
        parts: list[Part] = []
        for start in np.unique(starts[fresh]).tolist():
            window = WindowKey(batch.model, batch.version, start, watch.window)
            parts.extend(self._plan(window, rows, np.flatnonzero(fresh & (starts == start)), inputs, reference))
        for window, part, profile in parts:
            self._lanes[batch.model, batch.version] = lane
            self._append(watch, lane, window, rows.take(part), profile, offset)
        return int(np.count_nonzero(fresh))

    def add_truth(self, truth: GroundTruth, offset: int, observed: int) -> int:
        """Take a truth that stood at `offset`; `observed`: when it became known, microseconds since the epoch.

        Returns the predictions it is the truth of, 0 if none has come yet. Raises InvalidInput when it cannot be the
        truth of its prediction.
        """
        if not np.isfinite(truth.label):
            raise InvalidInput(f"label {truth.label} is not a number")
        key = prediction_key(truth.prediction_id)
        found = 0
        named = self._catalogue.model_of(truth.pipeline)
        self._truth_watermarks[named] = max(self._truth_watermarks.get(named, observed), observed)
        for (model, version), lane in self._lanes.items():
            location = lane.index.get(key)
            if location is not None:
                found += 1
                self._label(model, version, lane, location, truth.label, offset)
        if not found:
            given_up = self._early_of(named).add(key, truth.label, offset, observed)
            self.counts[named, "orphaned"] += given_up
        return found

    def expire(self, truths_read: bool = True) -> None:
        """Forget predictions whose truth has not come in time, with their windows, and truths without prediction.

        A window is kept until what was last known of it has been stored and told, for the rows that may be read again
        are too late then. `truths_read`: whether `ground-truth` was read to its end; if not, it decides how far the
        time is.
        """
        told = [(window, group.watch) for window, group in self._groups.items() if window not in self._to_tell]
        for window, watch in told:
            if window.end + watch.label_patience < self._progress(window.model, truths_read):
                self._remove(window)
        for model, early in self._early.items():
            watch_or_none = self._catalogue.watch(model)
            lateness = watch_or_none.lateness if watch_or_none else 0
            watermark = self._watermarks.get(model, max(self._watermarks.values(), default=BEGINNING))
            self.counts[model, "orphaned"] += early.expire(watermark - lateness)

    def take_changes(self) -> list[Changes]:
        """What changed since the last call, as lists of (key, value or None): store each list before the next.

        New rows are stored window by window, the oldest first: a crash in between then leaves no watermark behind by
        which the rows that are read again would be too late. What blocks have made needless is removed last.
        """
        labels: Changes = []
        rows: dict[int, Changes] = {}
        for (window, number), has_new_rows in self._to_store.items():
            target = rows.setdefault(window.start, []) if has_new_rows else labels
            target.append((self._block_key(window, number), self._groups[window].blocks[number].encode()))
        rest: Changes = [(key, None) for key in self._to_remove]
        for model, early in self._early.items():
            rest.extend((f"early/{self.number}/{bucket}/{model}", data) for bucket, data in early.take_changes())
        self._to_store, self._to_remove = {}, []
        return [changes for changes in [labels, *(rows[start] for start in sorted(rows)), rest] if changes]

    def take_partials(self, truths_read: bool = True) -> Iterator[WindowPartial]:
        """The windows that changed since the last call, each complete in itself, the oldest first.

        Only the last of a model's brings a new watermark: when it is read, the windows it closes have been read. The
        watermark waits for truths that are there and not read yet, as after a pause (`truths_read` is False then).
        """
        self._tell_held_watermarks(truths_read)
        changed, self._to_tell = sorted(self._to_tell, key=lambda one: (one.model, one.start, one.version)), {}
        last = {window.model: window for window in changed}
        for window in changed:
            model = window.model
            told = self._told.get(model, window.start)
            self._told[model] = max(told, self._progress(model, truths_read)) if window is last[model] else told
            yield self._groups[window].partial(self.number, self._told[model])

    def restore(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Read back what `take_changes` gave to store; every window is told again. Ignores other partitions' keys."""
        for key, value in items:
            match key.split("/"):
                case ["block", partition, *_] if int(partition) == self.number:
                    self._restore_block(Block.decode(value))
                case ["early", partition, _, model] if int(partition) == self.number:
                    self._early_of(model).restore(value)

    def _fresh(self, watch: Watch, lane: Lane, rows: Rows, now: int) -> np.ndarray:
        """Mask of the rows to be taken."""
        in_time = rows.times <= now + FUTURE_TOLERANCE
        self.counts[watch.model, "future"] += int(np.count_nonzero(~in_time))
        if (watermark := self._watermarks.get(watch.model)) is not None:
            ends = (rows.times // watch.window + 1) * watch.window
            over = ends + watch.label_patience < watermark
            self.counts[watch.model, "late"] += int(np.count_nonzero(over))
            in_time &= ~over
        seen: set[int] = set()
        fresh = np.zeros(rows.keys.size, dtype=bool)
        for row, key in enumerate(rows.keys.tolist()):
            if key not in lane.index and key not in seen:
                seen.add(key)
                fresh[row] = True
        return fresh & in_time

    def _plan(
        self,
        window: WindowKey,
        rows: Rows,
        part: np.ndarray,
        inputs: dict[str, AnyArray],
        reference: DataProfile | None,
    ) -> Iterator[Part]:
        """`part` (row indices) cut at the ends of blocks, each piece with its profile."""
        group = self._groups.get(window)
        room = group.open_block().room if group else CAPACITY
        while part.size:
            piece, part, room = part[:room], part[room:], CAPACITY
            times = rows.times[piece]
            span = int(times.min()), int(times.max())
            yield window, piece, profile_rows(inputs, piece, reference, span) if reference else None

    def _append(
        self, watch: Watch, lane: Lane, window: WindowKey, rows: Rows, profile: DataProfile | None, offset: int
    ) -> None:
        group = self._groups.setdefault(window, Group(window, watch))
        block = group.open_block()
        first = block.append(rows, profile, offset)
        serial = self._serial(lane, block)
        at = serial * CAPACITY + first
        lane.index.update(zip(rows.keys.tolist(), range(at, at + rows.keys.size), strict=True))
        self._watermarks[window.model] = max(self._watermarks.get(window.model, int(block.latest)), int(block.latest))
        for model in (window.model, ""):
            if early := self._early.get(model):
                self._join_early(watch, early, block, first)
        self._mark(group, block, has_new_rows=True)

    def _join_early(self, watch: Watch, early: EarlyTruths, block: Block, first: int) -> None:
        for row, key in enumerate(block.keys[first:].tolist(), start=first):
            truth = early.pop(key)
            if truth is None:
                continue
            if not is_label(watch, truth[0]):
                self.counts[watch.model, "invalid"] += 1
            elif block.set_truth(row, *truth):
                self.counts[watch.model, "matched"] += 1

    def _label(self, model: str, version: int, lane: Lane, location: int, label: float, offset: int) -> None:
        serial, row = divmod(location, CAPACITY)
        block = lane.blocks[serial]
        group = self._groups[block.window]
        if not is_label(group.watch, label):
            raise InvalidInput(f"label {label} is no truth of model {model!r}")
        before = block.truth_of(row)[1]
        if block.set_truth(row, label, offset):
            self.counts[model, "matched" if before < 0 else "corrected"] += 1
            self._mark(group, block)

    def _mark(self, group: Group, block: Block, *, has_new_rows: bool = False) -> None:
        group.changed(block)
        place = group.window, block.number
        self._to_store[place] = has_new_rows or self._to_store.get(place, False)
        self._to_tell[group.window] = None

    def _serial(self, lane: Lane, block: Block) -> int:
        key = block.window, block.number
        if key not in self._serials:
            self._serials[key] = lane.serial
            lane.blocks[lane.serial] = block
            lane.serial += 1
        return self._serials[key]

    def _progress(self, model: str, truths_read: bool) -> int:
        """Event time up to which predictions were read, and truths too."""
        predictions = self._watermarks.get(model, BEGINNING)
        return predictions if truths_read else min(predictions, self._truth_watermarks.get(model, BEGINNING))

    def _tell_held_watermarks(self, truths_read: bool) -> None:
        for model, told in self._told.items():
            if told < self._progress(model, truths_read):
                windows = [window for window in self._groups if window.model == model]
                self._to_tell.update((window, None) for window in sorted(windows, key=lambda one: one.start)[-1:])

    def _remove(self, window: WindowKey) -> None:
        group = self._groups.pop(window)
        lane = self._lanes[window.model, window.version]
        for block in group.blocks.values():
            for key in block.keys.tolist():
                lane.index.pop(key, None)
            del lane.blocks[self._serials.pop((window, block.number))]
            self._to_remove.append(self._block_key(window, block.number))
            self.counts[window.model, "expired"] += block.rows - block.labelled
        if not lane.blocks:
            del self._lanes[window.model, window.version]

    def _early_of(self, model: str) -> EarlyTruths:
        return self._early.setdefault(model, EarlyTruths(self._early_limit))

    def _block_key(self, window: WindowKey, number: int) -> str:
        return f"block/{self.number}/{window.model}/{window.version}/{window.start}/{window.length}/{number}"

    def _restore_block(self, block: Block) -> None:
        window = block.window
        watch = self._catalogue.watch(window.model)
        if watch is None:
            return
        lane = self._lanes.setdefault((window.model, window.version), Lane({}, {}))
        self._groups.setdefault(window, Group(window, watch)).blocks[block.number] = block
        at = self._serial(lane, block) * CAPACITY
        lane.index.update(zip(block.keys.tolist(), range(at, at + block.rows), strict=True))
        latest = int(block.latest)
        self._watermarks[window.model] = max(self._watermarks.get(window.model, latest), latest)
        self._to_tell[window] = None
