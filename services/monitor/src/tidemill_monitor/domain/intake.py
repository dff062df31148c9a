"""Takes predictions into panes, and labels to predictions."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from tidemill_stats.arrays import HashArray, IntArray
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.block import NO_TRUTH, Block, Pane
from tidemill_monitor.domain.counting import Counted, count_rows
from tidemill_monitor.domain.early import EarlyTruths
from tidemill_monitor.domain.index import NOWHERE
from tidemill_monitor.domain.lane import Lane
from tidemill_monitor.domain.lens import Lens
from tidemill_monitor.domain.lenses import Lenses
from tidemill_monitor.domain.pane_state import PaneState
from tidemill_monitor.domain.rows import Predictions
from tidemill_monitor.domain.scoring import are_labels
from tidemill_monitor.domain.truths import Truths, collapse

CHUNK = 8192
Place = tuple[Pane, Block]


class Arm(NamedTuple):
    """A version of a model as it answers, or as it only watches."""

    model: str
    version: int
    mirror: bool


class Intake:
    """Panes of one partition by key, and lanes by arm. `counts` is by model and outcome."""

    def __init__(
        self, lenses: Lenses, counts: Counter[tuple[str, str]], early_of: Callable[[str], EarlyTruths]
    ) -> None:
        self.states: dict[Pane, PaneState] = {}
        self.to_tell: set[Pane] = set()
        self._lenses = lenses
        self._counts = counts
        self._early_of = early_of
        self._lanes: dict[Arm, Lane] = {}
        self._changed_rows: dict[int, Place] = {}
        self._changed_labels: dict[int, Place] = {}

    @property
    def rows(self) -> int:
        return sum(state.rows for state in self.states.values())

    def take_predictions(self, arm: Arm, rows: Predictions) -> None:
        """Take in the rows that are new and in time."""
        lens = self._lenses.of(arm.model, arm.version)
        for first in range(0, rows.keys.size, CHUNK):
            part = rows.part(first, first + CHUNK)
            lane = self._lanes.setdefault(arm, Lane())
            fresh = self._fresh(arm, lens, lane, part)
            if fresh.size:
                self._append(arm, lens, lane, part.take(fresh))

    def take_truths(self, named: str, truths: Truths) -> Truths:
        """Label predictions; what is left are truths of no known prediction. `named`: their model, empty if unsaid."""
        found = np.zeros(truths.keys.size, dtype=np.bool_)
        for arm, lane in self._lanes.items():
            if truths.keys.size and named in ("", arm.model):
                places = lane.find(truths.keys)
                here = places != NOWHERE
                found |= here
                if here.any():
                    self._label(arm, lane, truths.take(here), places[here])
        return truths.take(~found)

    def answering(self, pane: Pane) -> list[Lane]:
        """The rows of the other versions of a pane's model as they answered."""
        others = [arm for arm in self._lanes if arm.model == pane.model and arm.version != pane.version]
        return [self._lanes[arm] for arm in sorted(others) if not arm.mirror]

    def beside(self, pane: Pane) -> list[PaneState]:
        """The same pane of the other versions in the other role: which answered, or only watched."""
        others = [arm for arm in self._lanes if arm.model == pane.model and arm.version != pane.version]
        panes = [Pane(*arm, pane.start, pane.length) for arm in others if arm.mirror != pane.mirror]
        return [self.states[one] for one in panes if one in self.states]

    def clock(self, pane: Pane) -> int:
        """Offset in `predictions` of the last message counted: of a mirror, or of what it is compared with."""
        compared = self.beside(pane) if pane.mirror else []
        return max(state.offset for state in (self.states[pane], *compared))

    def take_changed_rows(self) -> list[Place]:
        """Blocks with new rows since the last call."""
        changed, self._changed_rows = self._changed_rows, {}
        return list(changed.values())

    def take_changed_labels(self) -> list[Place]:
        """Blocks with new labels since the last call."""
        changed, self._changed_labels = self._changed_labels, {}
        return list(changed.values())

    def remove(self, pane: Pane) -> None:
        """Forget a pane with its rows."""
        state = self.states.pop(pane)
        arm = Arm(pane.model, pane.version, pane.mirror)
        for block in state.blocks.values():
            self._lanes[arm].remove(block)
        if not len(self._lanes[arm]):
            del self._lanes[arm]

    def restore(self, kind: str, pane: Pane, number: int, value: bytes) -> bool:
        """Read back a stored block, or the labels of a block read back before; whether it can be used."""
        try:
            if kind == "block":
                lens = self._lenses.of(pane.model, pane.version)
                state = self.states.get(pane) or PaneState(pane, lens)
                state.blocks[number] = Block.decode_rows(value, lens.layout)
                self.states[pane] = state
            else:
                state_or_none = self.states.get(pane)
                if state_or_none is None or number not in state_or_none.blocks:
                    return False
                state_or_none.blocks[number].decode_labels(value)
        except InvalidInput:
            return False
        return True

    def count_restored(self) -> None:
        """Sum up the blocks read back; every pane is to be told.

        Where a crash came between rows and labels, rows are labelled as the same predictions of other versions are.
        """
        for pane, state in self.states.items():
            lane = self._lanes.setdefault(Arm(pane.model, pane.version, pane.mirror), Lane())
            for block in list(state.blocks.values()):
                state.take_in(block)
                lane.put(state, block, 0)
                if block.room == 0:
                    block.forget_counts()
            self.to_tell.add(pane)
        for arm, lane in self._lanes.items():
            for other_arm, other in self._lanes.items():
                if other is not lane and other_arm.model == arm.model:
                    self._label_alike(arm, lane, lane.keys(), other)

    def _label_alike(self, arm: Arm, lane: Lane, keys: HashArray, other: Lane) -> None:
        """Label rows of some keys as the rows of another lane are."""
        truths = _labels_of(other, keys)
        if truths.keys.size:
            self._label(arm, lane, truths, lane.find(truths.keys))

    def _fresh(self, arm: Arm, lens: Lens, lane: Lane, rows: Predictions) -> IntArray:
        """The rows to be taken, in their order."""
        _, firsts = np.unique(rows.keys, return_index=True)
        fresh = np.zeros(rows.keys.size, dtype=np.bool_)
        fresh[firsts] = True
        fresh &= lane.find(rows.keys) == NOWHERE
        future = fresh & (rows.times > rows.limits)
        ends = (rows.times // lens.watch.pane + 1) * lens.watch.pane
        late = fresh & (ends + lens.watch.lateness < rows.before)
        self._counts[arm.model, "future"] += int(np.count_nonzero(future))
        self._counts[arm.model, "late"] += int(np.count_nonzero(late & ~future))
        fresh &= ~(future | late)
        self._counts[arm.model, "taken"] += int(np.count_nonzero(fresh))
        return np.flatnonzero(fresh)

    def _append(self, arm: Arm, lens: Lens, lane: Lane, rows: Predictions) -> None:
        length = lens.watch.pane
        starts, of_row = np.unique(rows.times // length * length, return_inverse=True)
        panes = [Pane(*arm, start, length) for start in starts.tolist()]
        rooms = [self.states[pane].open_block().room if pane in self.states else None for pane in panes]
        for counted in count_rows(lens, rows, of_row.reshape(-1), rooms, profiled=rows.answered and not arm.mirror):
            self._add(lane, panes[counted.pane], lens, counted)

    def _add(self, lane: Lane, pane: Pane, lens: Lens, counted: Counted) -> None:
        state = self.states.setdefault(pane, PaneState(pane, lens))
        block = state.open_block()
        first = state.append(block, counted.kept, counted.offset)
        for key, tally in counted.tallies.items():
            state.count(block, key, tally)
        for how, rows in counted.violations.items():
            state.violate(block, how, rows)
        lane.put(state, block, first)
        self._changed_rows[id(block)] = pane, block
        self.to_tell.add(pane)
        self._join(lane, Arm(pane.model, pane.version, pane.mirror), counted.kept.keys)

    def _join(self, lane: Lane, arm: Arm, keys: HashArray) -> None:
        """Label new rows by truths that came before, and as the same predictions of other versions are labelled."""
        for name in (arm.model, ""):
            truths = self._early_of(name).take(keys)
            if truths.keys.size:
                self._label(arm, lane, truths, lane.find(truths.keys))
        for other_arm, other in self._lanes.items():
            if other is not lane and other_arm.model == arm.model:
                self._label_alike(arm, lane, keys, other)

    def _label(self, arm: Arm, lane: Lane, truths: Truths, places: IntArray) -> None:
        """Set the labels of rows at their places."""
        watch = self._lenses.of(arm.model, arm.version).watch
        possible = are_labels(watch, truths.labels)
        if not possible.all():
            self._counts[arm.model, "invalid"] += int(np.count_nonzero(~possible))
            truths, places = truths.take(possible), places[possible]
        order = np.argsort(places, kind="stable")
        truths, places = truths.take(order), places[order]
        for state, block, part, rows in lane.by_block(places) if places.size else ():
            self._label_block(state, block, truths.take(np.arange(part.start, part.stop)), rows)

    def _label_block(self, state: PaneState, block: Block, truths: Truths, rows: IntArray) -> None:
        watch, pane = state.lens.watch, state.pane
        in_time = truths.observed <= pane.end + max(watch.label_expiry, watch.lateness)
        labelled = block.truth_offsets[rows] != NO_TRUTH
        self._counts[pane.model, "overdue"] += int(np.count_nonzero(~in_time & ~labelled))
        taken = in_time & (truths.offsets > block.truth_offsets[rows])
        if not taken.any():
            return
        one = collapse(truths.take(taken), rows[taken])
        at = one.places
        known = block.truth_offsets[at] != NO_TRUTH
        if known.any():
            state.count_labels(block, at[known], block.labels[at[known]], block.observed[at[known]], undo=True)
        before = block.changes[at].astype(np.int64)
        later = one.changes - one.earlier + np.where(known, one.first_labels != block.labels[at], 0)
        # Changes that a truth brings with it were seen elsewhere, and those before are among them.
        changes = np.maximum(before + later, one.changes)
        observed = np.where(known, block.observed[at], one.observed)
        block.label(at, one.labels, one.offsets, observed, np.minimum(changes, 65535))
        state.count_labels(block, at, one.labels, observed)
        fresh, corrected = int(np.count_nonzero(~known)), int((changes - before).sum())
        state.labelled += fresh
        state.corrected += corrected
        state.truth_offset = max(state.truth_offset, int(one.offsets.max()))
        self._counts[pane.model, "matched"] += fresh
        self._counts[pane.model, "corrected"] += corrected
        self._changed_labels[id(block)] = pane, block
        self.to_tell.add(pane)


def _labels_of(lane: Lane, keys: HashArray) -> Truths:
    """The truths of the predictions of a lane that are labelled."""
    places = lane.find(keys)
    here = np.flatnonzero(places != NOWHERE)
    here = here[np.argsort(places[here], kind="stable")]
    parts = list(_each_label(lane, keys[here], places[here])) if here.size else []
    if not parts:
        return Truths(keys[:0], np.empty(0), *(np.empty(0, dtype=np.int64) for _ in range(3)))
    return Truths(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _each_label(lane: Lane, keys: HashArray, places: IntArray) -> Iterator[tuple[np.ndarray, ...]]:
    for _, block, part, rows in lane.by_block(places):
        some = block.truth_offsets[rows] != NO_TRUTH
        at = rows[some]
        changes = block.changes[at].astype(np.int64)
        yield keys[part][some], block.labels[at], block.truth_offsets[at], block.observed[at], changes
