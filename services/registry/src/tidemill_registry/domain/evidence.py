"""What the monitor tells of a release, and what of it is new: sums of both arms, pane by pane.

A pane is told again and again, each time whole, so what was used of it is kept and the difference is news. Labels are
taken by the pane in which they became known, once that pane is complete: candidate and champion are compared within one
pane of predictions and one of labels, so at equal age, and fast labels favour neither. A pane in which only one of them
was asked says nothing of labels.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tidemill.v1.monitoring_pb2 import ArmEvidence, EpochEvidence, LabelPane, RolloutEvidence
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_contracts.release import BY_PREDICTION
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.reference_proto import sums_from_proto
from tidemill_stats.sequential.blocks import Block, Proportion

MOST_UNITS = 1024
Pair = Block[MeanEstimate]


class Arms(NamedTuple):
    """Which versions are compared, from which epoch of the route on."""

    champion: int
    candidate: int
    first_epoch: int


@dataclass(frozen=True)
class News:
    """What came since the evidence was last used.

    `rates`: failed and slow predictions; `labels`: per metric one block for each pane of predictions and of labels;
    `units`: of each arm in the present epoch; `pairs` and `agreements`: of shadow answers with the champion's.
    """

    rates: Mapping[str, Block[Proportion]] = field(default_factory=dict)
    labels: Mapping[str, tuple[Pair, ...]] = field(default_factory=dict)
    units: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    predictions: int = 0
    labelled: int = 0
    pairs: int = 0
    agreements: int = 0
    latency: Pair = field(default_factory=lambda: Block(MeanEstimate(), MeanEstimate()))
    distance: MeanEstimate = field(default_factory=MeanEstimate)


def usable(told: RolloutEvidence, label_wait: int) -> RolloutEvidence:
    """What of a telling may be used: labels of complete panes, known at most `label_wait` microseconds after their pane
    of predictions; and units once their pane is complete, for until then one arm may have been read further."""
    kept = RolloutEvidence()
    kept.CopyFrom(told)
    latest = told.start + told.length + label_wait
    for arm in kept.arms:
        complete = [
            pane for pane in arm.labels if pane.start + told.length <= told.complete_until and pane.start < latest
        ]
        del arm.labels[:]
        arm.labels.extend(complete)
        if told.start + told.length > told.complete_until:
            for epoch in arm.epochs:
                del epoch.units[:]
    return kept


def news(now: RolloutEvidence, before: RolloutEvidence | None, arms: Arms, epoch: int) -> News:
    """What `now`, which is usable, says more than `before`; `epoch`: the present one."""
    after, old = _Sums.of(now, arms), _Sums.of(before, arms) if before is not None else _Sums()
    rates = {name: after.rate(name, old) for name in BY_PREDICTION}
    names = sorted({name for cell in after.labels.values() for name in cell})
    shadow, shadow_before = after.shadow, old.shadow
    pairs = _more(shadow[0], shadow_before[0])
    return News(
        rates={name: block for name, block in rates.items() if block.champion.rows or block.candidate.rows},
        labels={name: blocks for name in names if (blocks := tuple(_cells(after, old, name)))},
        units=_units(now, arms, epoch),
        predictions=_more(after.predictions[1], old.predictions[1]),
        labelled=_more(after.labelled, old.labelled),
        pairs=pairs,
        agreements=min(_more(shadow[1], shadow_before[1]), pairs),
        latency=Block(*(_less(a, b) for a, b in zip(after.latency, old.latency, strict=True))),
        distance=_less(after.distance, old.distance),
    )


def merge_units(kept: Iterable[int], more: Iterable[int]) -> tuple[int, ...]:
    """The smallest distinct hashes of both, `MOST_UNITS` at most."""
    return tuple(sorted({*kept, *more})[:MOST_UNITS])


def sampled(champion: tuple[int, ...], candidate: tuple[int, ...]) -> tuple[int, int]:
    """Units of each arm in one uniform sample: those with hashes below what both arms know in full."""
    limits = [units[-1] for units in (champion, candidate) if len(units) >= MOST_UNITS]
    limit = min(limits, default=1 << 64)
    return sum(unit <= limit for unit in champion), sum(unit <= limit for unit in candidate)


@dataclass
class _Sums:
    """Sums of one telling, champion first."""

    predictions: tuple[int, int] = (0, 0)
    successes: dict[str, tuple[int, int]] = field(default_factory=dict)
    latency: tuple[MeanEstimate, MeanEstimate] = (MeanEstimate(), MeanEstimate())
    labels: dict[int, dict[str, Pair]] = field(default_factory=dict)
    labelled: int = 0
    shadow: tuple[int, int] = (0, 0)
    distance: MeanEstimate = field(default_factory=MeanEstimate)

    @staticmethod
    def of(told: RolloutEvidence, arms: Arms) -> "_Sums":
        champion = [arm for arm in told.arms if arm.version == arms.champion and not arm.mirror]
        candidate = [arm for arm in told.arms if arm.version == arms.candidate]
        epochs = [
            [one for arm in side for one in arm.epochs if one.epoch >= arms.first_epoch]
            for side in (champion, candidate)
        ]
        return _Sums(
            predictions=_both(epochs, "predictions"),
            successes={name: _both(epochs, name) for name in BY_PREDICTION},
            latency=(_latency(epochs[0]), _latency(epochs[1])),
            labels=_label_cells(champion, candidate) if all(epochs) else {},
            labelled=sum(pane.labelled for arm in candidate for pane in arm.labels),
            shadow=(
                sum(arm.shadow.pairs for arm in candidate),
                sum(arm.shadow.agreements for arm in candidate),
            ),
            distance=sum((sums_from_proto(arm.shadow.distance) for arm in candidate), MeanEstimate()),
        )

    def rate(self, name: str, old: "_Sums") -> Block[Proportion]:
        had, hits = old.predictions, old.successes.get(name, (0, 0))
        sides = (
            _proportion(_more(self.successes[name][side], hits[side]), _more(self.predictions[side], had[side]))
            for side in (0, 1)
        )
        return Block(*sides)


def _cells(after: _Sums, old: _Sums, name: str) -> Iterator[Pair]:
    for start in sorted(after.labels):
        known = after.labels[start].get(name)
        if known is None:
            continue
        used = old.labels.get(start, {}).get(name, Block(MeanEstimate(), MeanEstimate()))
        block = Block(_less(known.champion, used.champion), _less(known.candidate, used.candidate))
        if block.champion.count or block.candidate.count:
            yield block


def _label_cells(champion: Iterable[ArmEvidence], candidate: Iterable[ArmEvidence]) -> dict[int, dict[str, Pair]]:
    cells: dict[int, dict[str, Pair]] = {}
    for side, some in ((0, champion), (1, candidate)):
        for pane in (pane for arm in some for pane in arm.labels):
            for name, sums in _metrics(pane):
                more = sums_from_proto(sums)
                block = Block(more, MeanEstimate()) if side == 0 else Block(MeanEstimate(), more)
                cell = cells.setdefault(pane.start, {})
                cell[name] = cell[name] + block if name in cell else block
    return cells


def _metrics(pane: LabelPane) -> list[tuple[str, MetricSums]]:
    return sorted(pane.metrics.items())


def _units(told: RolloutEvidence, arms: Arms, epoch: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    def of(version: int) -> tuple[int, ...]:
        some = (arm for arm in told.arms if arm.version == version and not arm.mirror)
        return merge_units((), (unit for arm in some for one in arm.epochs if one.epoch == epoch for unit in one.units))

    return of(arms.champion), of(arms.candidate)


def _both(epochs: Iterable[Iterable[EpochEvidence]], part: str) -> tuple[int, int]:
    first, second = (sum(getattr(one, part) for one in side) for side in epochs)
    return first, second


def _latency(epochs: Iterable[EpochEvidence]) -> MeanEstimate:
    return sum((sums_from_proto(one.latency) for one in epochs), MeanEstimate())


def _less(now: MeanEstimate, before: MeanEstimate) -> MeanEstimate:
    """What came to a sum, as rows can have given it: a correction may take away more than came."""
    count = now.count - before.count
    if count <= 0:
        return MeanEstimate()
    squares = max(now.sum_of_squares - before.sum_of_squares, 0.0)
    most = math.sqrt(count * squares)
    return MeanEstimate(count, min(max(now.sum - before.sum, -most), most), squares)


def _more(now: int, before: int) -> int:
    return max(now - before, 0)


def _proportion(successes: int, rows: int) -> Proportion:
    return Proportion(min(successes, rows), rows)
