"""The rows of one simulated service, the same whoever releases, and what two versions make of them."""

from dataclasses import dataclass

import numpy as np
from tidemill_stats.arrays import BoolArray, FloatArray
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.blocks import Block

from benchmarks.releases.worlds import CHAMPION, DELAY, LATE, PANE, Quality, World

ALIKE = 0.8
_NOBODY: Block[MeanEstimate] = Block(MeanEstimate(), MeanEstimate())


@dataclass(frozen=True)
class Rows:
    """One pane of rows. Numbers are uniform in 0..1: a version errs (fails, is slow) on a row below its rate.

    `hard` is for the champion, `hard_too` for the candidate, for most rows the same. `age`: panes until the label is
    known. `unit`: hashes.
    """

    route: FloatArray
    late: BoolArray
    hard: FloatArray
    hard_too: FloatArray
    fate: FloatArray
    pace: FloatArray
    age: np.ndarray
    unit: np.ndarray


@dataclass(frozen=True)
class Side:
    """What one version shows of one pane; `labels`: errors by the age at which their label became known."""

    predictions: int
    failed: int
    slow: int
    labels: tuple[MeanEstimate, ...]
    units: np.ndarray


@dataclass(frozen=True)
class Shown:
    """What both versions show of one pane; `agreements`: equal answers where both saw every row."""

    champion: Side
    candidate: Side
    agreements: int


class Traffic:
    """Rows in order of time, drawn when first asked for."""

    def __init__(self, world: World, seed: tuple[int, ...]) -> None:
        self._world = world
        self._rng = np.random.default_rng(seed)
        self._panes: list[Rows] = []

    def pane(self, number: int) -> Rows:
        """The rows of one pane, shape [PANE] each."""
        while len(self._panes) <= number:
            self._panes.append(self._draw())
        return self._panes[number]

    def _draw(self) -> Rows:
        route, late, hard, other, alike, fate, pace, wait = self._rng.random((8, PANE))
        is_late = late < LATE
        age = np.where(is_late, 1 + wait * DELAY, wait * 2).astype(np.int64)
        if not self._world.delay:
            age = np.zeros(PANE, dtype=np.int64)
        unit = self._rng.integers(0, 1 << 63, PANE, dtype=np.uint64)
        return Rows(route, is_late, hard, np.where(alike < ALIKE, hard, other), fate, pace, age, unit)


class Trial:
    """A candidate in a service: what each pane showed under the share it was given, and what became known when."""

    def __init__(self, traffic: Traffic, candidate: Quality) -> None:
        self._traffic, self._candidate = traffic, candidate
        self._shown: list[Shown] = []

    def advance(self, share: float, *, shadow: bool = False) -> Shown:
        """The next pane, with the candidate's share of the answers, or with all rows as a `shadow`."""
        rows = self._traffic.pane(len(self._shown))
        wrong, wrong_too = _wrong(rows.hard, rows.late, CHAMPION), _wrong(rows.hard_too, rows.late, self._candidate)
        mine = rows.route < share
        all_rows = np.ones_like(mine)
        champion = _side(rows, all_rows if shadow else ~mine, wrong, CHAMPION)
        candidate = _side(rows, all_rows if shadow else mine, wrong_too, self._candidate)
        shown = Shown(champion, candidate, int((wrong == wrong_too).sum()) if shadow else 0)
        self._shown.append(shown)
        return shown

    def labels(self) -> list[Block[MeanEstimate]]:
        """Errors whose label became known in the newest pane, one block for each pane of predictions, oldest first."""
        newest = len(self._shown) - 1
        blocks = []
        for number in range(max(0, newest - DELAY), newest + 1):
            shown, age = self._shown[number], newest - number
            block = Block(shown.champion.labels[age], shown.candidate.labels[age])
            if block.champion.count or block.candidate.count:
                blocks.append(block)
        return blocks


def pooled(blocks: list[Block[MeanEstimate]]) -> Block[MeanEstimate]:
    """The sum of all blocks."""
    return sum(blocks, _NOBODY)


def _wrong(hard: FloatArray, late: BoolArray, quality: Quality) -> BoolArray:
    wrong: BoolArray = hard < np.where(late, quality.late, quality.early)
    return wrong


def _side(rows: Rows, seen: BoolArray, wrong: BoolArray, quality: Quality) -> Side:
    answered = seen & (rows.fate >= quality.failing)
    labelled = np.bincount(rows.age[answered], minlength=DELAY + 1).tolist()
    errors = np.bincount(rows.age[answered & wrong], minlength=DELAY + 1).tolist()
    predictions = int(seen.sum())
    return Side(
        predictions,
        predictions - int(answered.sum()),
        int((answered & (rows.pace < quality.slow)).sum()),
        tuple(MeanEstimate(count, float(bad), float(bad)) for count, bad in zip(labelled, errors, strict=True)),
        rows.unit[seen],
    )
