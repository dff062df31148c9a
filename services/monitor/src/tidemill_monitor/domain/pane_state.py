"""Everything one partition knows of one pane."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from tidemill_stats.arrays import FloatArray, IntArray

from tidemill_monitor.domain.block import ALL, CAPACITY, NO_TRUTH, WHOLE, Block, Pane
from tidemill_monitor.domain.epochs import EpochCounts
from tidemill_monitor.domain.lens import Lens
from tidemill_monitor.domain.rows import Kept
from tidemill_monitor.domain.schema import MAX_UNKNOWN
from tidemill_monitor.domain.scoring import output_width
from tidemill_monitor.domain.shadow import ShadowPairs
from tidemill_monitor.domain.slices import by_slice
from tidemill_monitor.domain.tally import Tally, add_to


@dataclass
class PaneState:
    """Blocks by number, and the sums over them, which are exact, so it is all one in what order they were made."""

    pane: Pane
    lens: Lens
    blocks: dict[int, Block] = field(default_factory=dict)
    tallies: dict[int, Tally] = field(default_factory=dict)
    violations: Counter[str] = field(default_factory=Counter)
    labels: dict[int, Tally] = field(default_factory=dict)
    label_panes: dict[int, Tally] = field(default_factory=dict)
    rows: int = 0
    labelled: int = 0
    corrected: int = 0
    offset: int = -1
    truth_offset: int = NO_TRUTH
    epochs: EpochCounts = field(default_factory=EpochCounts)
    shadow: ShadowPairs = field(default_factory=ShadowPairs)

    def open_block(self) -> Block:
        """The block that takes the next rows."""
        last = self.blocks[max(self.blocks)] if self.blocks else None
        if last is None or last.room == 0:
            number = 0 if last is None else last.number + 1
            last = Block(number, output_width(self.lens.watch), len(self.lens.slices.features))
            self.blocks[number] = last
        return last

    def append(self, block: Block, kept: Kept, offset: int) -> int:
        """Add rows to a block of the pane; the place of the first."""
        self.rows += kept.keys.size
        self.offset = max(self.offset, offset)
        return block.append(kept, offset)

    @property
    def end(self) -> int:
        """Place after the last row: `CAPACITY` times the number of its block, plus the rows there."""
        last = max(self.blocks)
        return last * CAPACITY + self.blocks[last].rows

    def since(self, place: int) -> Kept | None:
        """The rows from a place on; None if there are none."""
        parts = []
        for number in sorted(number for number in self.blocks if number >= place // CAPACITY):
            block, first = self.blocks[number], max(0, place - number * CAPACITY)
            if first < block.rows:
                parts.append(block.kept(slice(first, block.rows)))
        return Kept.joined(parts) if parts else None

    def count(self, block: Block, key: int, tally: Tally) -> None:
        """Add what rows of a block count."""
        block.count(key, tally)
        add_to(self.tallies, key, tally)

    def violate(self, block: Block, how: str, rows: int) -> None:
        """Count rows of a block that break the schema."""
        block.violations[how] = block.violations.get(how, 0) + rows
        self.violations[how] += rows
        for counts in (block.violations, self.violations):
            _keep_first_unknown(counts)

    def take_in(self, block: Block) -> None:
        """Add a stored block with its labels."""
        self.blocks[block.number] = block
        self.rows += block.rows
        self.offset = max(self.offset, block.offset)
        for key, tally in block.tallies.items():
            add_to(self.tallies, key, tally)
        self.violations.update(block.violations)
        _keep_first_unknown(self.violations)
        rows = np.flatnonzero(block.labelled)
        if rows.size:
            self.count_labels(block, rows, block.labels[rows], block.observed[rows])
            self.labelled += rows.size
            self.corrected += int(block.changes[rows].sum())
            self.truth_offset = max(self.truth_offset, int(block.truth_offsets[rows].max()))

    def count_labels(
        self, block: Block, rows: IntArray, labels: FloatArray, observed: IntArray, *, undo: bool = False
    ) -> None:
        """Count labels of some rows of a block, or leave them out again."""
        facts = self.lens.label_facts(block.outputs[rows].astype(np.float64), labels, block.answered[rows])
        together = np.zeros(rows.size, dtype=np.int64)
        _change(self.labels, ALL, facts.tallies(together, 1)[0], undo)
        for some, distinct, places in by_slice(block.slices[rows], together):
            tallies = facts.take(some).tallies(places, distinct.size)
            for key, tally in zip(distinct.tolist(), tallies, strict=True):
                _change(self.labels, key, tally, undo)
        length = self.lens.watch.pane
        starts, places = np.unique(np.maximum(observed // length * length, self.pane.start), return_inverse=True)
        for key, tally in zip(starts.tolist(), facts.tallies(places, starts.size), strict=True):
            _change(self.label_panes, key, tally, undo)

    @property
    def whole(self) -> Tally | None:
        return self.tallies.get(WHOLE)


def _keep_first_unknown(counts: dict[str, int]) -> None:
    """Bound the columns of any name by the first in the alphabet: those that stay have been counted in full."""
    if len(counts) <= MAX_UNKNOWN:
        return
    for how in sorted(how for how in counts if how.endswith(": unknown"))[MAX_UNKNOWN:]:
        del counts[how]


def _change(tallies: dict[int, Tally], key: int, tally: Tally, undo: bool) -> None:
    if undo:
        tallies[key].subtract(tally)
    else:
        add_to(tallies, key, tally)
