"""Evidence for release decisions: what the arms of a model show of one pane, all partitions together."""

from collections.abc import Iterable, Sequence

from tidemill.v1.monitoring_pb2 import (
    ArmEvidence,
    EpochEvidence,
    LabelPane,
    PanePartial,
    RolloutEvidence,
    ShadowEvidence,
)
from tidemill.v1.reference_pb2 import MetricSums

from tidemill_monitor.domain.epochs import MOST_UNITS
from tidemill_monitor.domain.pane_store import PaneStore


def rollout_evidence(panes: PaneStore, starts: Iterable[int]) -> list[RolloutEvidence]:
    """Of the panes that start then, in order; the same whatever order their partials came in."""
    found = []
    for start in sorted(set(starts)):
        partials = list(panes.partials(start, start + panes.watch.pane))
        by_arm: dict[tuple[int, bool], list[PanePartial]] = {}
        for key, partial in partials:
            by_arm.setdefault((key.arm.version, key.arm.mirror), []).append(partial)
        found.append(
            RolloutEvidence(
                model=panes.watch.model,
                start=start,
                length=panes.watch.pane,
                sequence=sum(partial.offset for _, partial in partials),
                complete_until=panes.complete_until or 0,
                arms=[_arm(version, mirror, some) for (version, mirror), some in sorted(by_arm.items())],
            )
        )
    return found


def completed(panes: PaneStore, before: int, now: int) -> set[int]:
    """Starts of the panes that ended, or of whose labels some pane did, after `before` and by `now`; and the newest
    pane's if everything is complete further than before."""
    if now <= before:
        return set()
    length = panes.watch.pane
    found = {panes.last} if panes.last is not None else set()
    if now // length == before // length or panes.first is None:
        return found
    for key, partial in panes.partials(panes.first, panes.last + length if panes.last is not None else panes.first):
        ends = (key.end, *(one.start + length for one in partial.labels))
        if any(before < end <= now for end in ends):
            found.add(key.start)
    return found


def _arm(version: int, mirror: bool, partials: Sequence[PanePartial]) -> ArmEvidence:
    epochs = sorted({one.epoch for partial in partials for one in partial.epochs})
    starts = sorted({one.start for partial in partials for one in partial.labels})
    arm = ArmEvidence(
        version=version,
        mirror=mirror,
        predictions=sum(one.total.predictions for one in partials),
        labelled=sum(one.total.labelled for one in partials),
        epochs=[_epoch([one for p in partials for one in p.epochs if one.epoch == epoch]) for epoch in epochs],
        labels=[_labels([one for p in partials for one in p.labels if one.start == start]) for start in starts],
    )
    if mirror:
        arm.shadow.CopyFrom(_shadow([one.shadow for one in partials]))
    return arm


def _epoch(some: Sequence[EpochEvidence]) -> EpochEvidence:
    return EpochEvidence(
        epoch=some[0].epoch,
        predictions=sum(one.predictions for one in some),
        errors=sum(one.errors for one in some),
        slow=sum(one.slow for one in some),
        latency=_add([one.latency for one in some]),
        units=sorted({unit for one in some for unit in one.units})[:MOST_UNITS],
    )


def _labels(some: Sequence[LabelPane]) -> LabelPane:
    names = sorted({name for one in some for name in one.metrics})
    return LabelPane(
        start=some[0].start,
        labelled=sum(one.labelled for one in some),
        metrics={name: _add([one.metrics[name] for one in some if name in one.metrics]) for name in names},
    )


def _shadow(some: Sequence[ShadowEvidence]) -> ShadowEvidence:
    return ShadowEvidence(
        pairs=sum(one.pairs for one in some),
        agreements=sum(one.agreements for one in some),
        distance=_add([one.distance for one in some]),
        delay=_add([one.delay for one in some]),
    )


def _add(some: Sequence[MetricSums]) -> MetricSums:
    return MetricSums(
        count=sum(one.count for one in some),
        sum=sum(one.sum for one in some),
        sum_of_squares=sum(one.sum_of_squares for one in some),
    )
