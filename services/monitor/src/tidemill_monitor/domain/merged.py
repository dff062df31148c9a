"""Panes added up: what all partitions say of one arm over some time, in one order whatever order it came in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tidemill.v1 import monitoring_pb2 as pb
from tidemill.v1.profile_pb2 import DataProfile as ProfileMessage
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_stats.arrays import IntArray
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.profile import DataProfile, merge_many
from tidemill_stats.profile_proto import from_proto
from tidemill_stats.reference_proto import sums_from_proto

Sums = Mapping[str, MeanEstimate]


@dataclass(frozen=True)
class LabelSums:
    """Labels that became known in the pane that starts at `start`: how many, and sums of each metric over them."""

    start: int
    labelled: int
    metrics: Sums


@dataclass(frozen=True, eq=False)
class Part:
    """What some rows say: all of an arm's, or those of one slice. Profiles are None where no row was profiled."""

    predictions: int = 0
    errors: int = 0
    labelled: int = 0
    metrics: Sums = field(default_factory=dict)
    expected: Sums = field(default_factory=dict)
    scores: IntArray | None = None
    score_positives: IntArray | None = None
    score_negatives: IntArray | None = None
    score_log_odds: IntArray | None = None
    score_base: int = 0
    inputs: DataProfile | None = None
    outputs: DataProfile | None = None

    @property
    def answered(self) -> int:
        """Rows with an answer."""
        return self.predictions - self.errors


@dataclass(frozen=True, eq=False)
class Merged:
    """An arm over some time; `total` are all its rows, `slices` parts of them by name, such as `origin=JFK`."""

    total: Part = field(default_factory=Part)
    slices: Mapping[str, Part] = field(default_factory=dict)
    embedding: IntArray | None = None
    reconstruction: MeanEstimate = field(default_factory=MeanEstimate)
    outliers: int = 0
    latency: MeanEstimate = field(default_factory=MeanEstimate)
    latency_buckets: tuple[int, ...] = ()
    schema_violations: Mapping[str, int] = field(default_factory=dict)
    invalid_outputs: int = 0
    labels: tuple[LabelSums, ...] = ()
    corrected: int = 0
    censored: int = 0

    def part(self, slice_: str) -> Part:
        """The rows of a slice; all rows if it is empty."""
        return self.slices.get(slice_, Part()) if slice_ else self.total

    def labelled_by(self, until: int) -> Sums:
        """Sums over the labels that became known in panes that start before `until`."""
        return add_sums([labels.metrics for labels in self.labels if labels.start < until])


def add_sums(parts: Sequence[Sums]) -> dict[str, MeanEstimate]:
    """Sums of each metric over all parts, added in their order."""
    total: dict[str, MeanEstimate] = {}
    for part in parts:
        for name, estimate in part.items():
            total[name] = total[name] + estimate if name in total else estimate
    return total


def merge_partials(partials: Iterable[pb.PanePartial], *, profiled: bool = True) -> Merged:
    """Some partials of one arm together, each of which counts rows of its own; without profiles unless `profiled`."""
    ordered = list(partials)
    names = sorted({name for one in ordered for name in one.slices})
    return Merged(
        total=_merge_slices([one.total for one in ordered], profiled),
        slices={
            name: _merge_slices([one.slices[name] for one in ordered if name in one.slices], profiled) for name in names
        },
        embedding=_add_counts([one.embedding for one in ordered]),
        reconstruction=_add([sums_from_proto(one.reconstruction) for one in ordered]),
        outliers=sum(one.outliers for one in ordered),
        latency=_add([sums_from_proto(one.latency) for one in ordered]),
        latency_buckets=_add_padded([one.latency_buckets for one in ordered]),
        schema_violations=_add_named([one.schema_violations for one in ordered]),
        invalid_outputs=sum(one.invalid_outputs for one in ordered),
        labels=_labels(LabelSums(pane.start, pane.labelled, _sums(pane.metrics)) for o in ordered for pane in o.labels),
        corrected=sum(one.corrected for one in ordered),
        censored=sum(one.censored for one in ordered),
    )


def merge_all(parts: Iterable[Merged]) -> Merged:
    """Some times of one arm together, in the order given."""
    ordered = list(parts)
    if len(ordered) == 1:
        return ordered[0]
    names = sorted({name for one in ordered for name in one.slices})
    return Merged(
        total=_merge_parts([one.total for one in ordered]),
        slices={name: _merge_parts([one.slices[name] for one in ordered if name in one.slices]) for name in names},
        embedding=_add_arrays([one.embedding for one in ordered]),
        reconstruction=_add([one.reconstruction for one in ordered]),
        outliers=sum(one.outliers for one in ordered),
        latency=_add([one.latency for one in ordered]),
        latency_buckets=_add_padded([one.latency_buckets for one in ordered]),
        schema_violations=_add_named([one.schema_violations for one in ordered]),
        invalid_outputs=sum(one.invalid_outputs for one in ordered),
        labels=_labels(labels for one in ordered for labels in one.labels),
        corrected=sum(one.corrected for one in ordered),
        censored=sum(one.censored for one in ordered),
    )


def _merge_slices(parts: Sequence[pb.SlicePartial], profiled: bool) -> Part:
    return Part(
        predictions=sum(one.predictions for one in parts),
        errors=sum(one.errors for one in parts),
        labelled=sum(one.labelled for one in parts),
        metrics=add_sums([_sums(one.metrics) for one in parts]),
        expected=add_sums([_sums(one.expected) for one in parts]),
        scores=_add_counts([one.scores for one in parts]),
        score_positives=_add_counts([one.score_positives for one in parts]),
        score_negatives=_add_counts([one.score_negatives for one in parts]),
        score_log_odds=_add_counts([one.score_log_odds for one in parts]),
        score_base=sum(one.score_base for one in parts),
        inputs=_profile([one.inputs for one in parts if profiled and one.HasField("inputs")]),
        outputs=_profile([one.outputs for one in parts if profiled and one.HasField("outputs")]),
    )


def _merge_parts(parts: Sequence[Part]) -> Part:
    return Part(
        predictions=sum(one.predictions for one in parts),
        errors=sum(one.errors for one in parts),
        labelled=sum(one.labelled for one in parts),
        metrics=add_sums([one.metrics for one in parts]),
        expected=add_sums([one.expected for one in parts]),
        scores=_add_arrays([one.scores for one in parts]),
        score_positives=_add_arrays([one.score_positives for one in parts]),
        score_negatives=_add_arrays([one.score_negatives for one in parts]),
        score_log_odds=_add_arrays([one.score_log_odds for one in parts]),
        score_base=sum(one.score_base for one in parts),
        inputs=_merge_profiles([one.inputs for one in parts]),
        outputs=_merge_profiles([one.outputs for one in parts]),
    )


def _profile(messages: Sequence[ProfileMessage]) -> DataProfile | None:
    return _merge_profiles([from_proto(message) for message in messages])


def _merge_profiles(profiles: Iterable[DataProfile | None]) -> DataProfile | None:
    known = [profile for profile in profiles if profile is not None and profile.rows]
    return merge_many(known) if known else None


def _labels(panes: Iterable[LabelSums]) -> tuple[LabelSums, ...]:
    by_start: dict[int, list[LabelSums]] = {}
    for pane in panes:
        by_start.setdefault(pane.start, []).append(pane)
    return tuple(
        LabelSums(start, sum(one.labelled for one in same), add_sums([one.metrics for one in same]))
        for start, same in sorted(by_start.items())
    )


def _sums(metrics: Mapping[str, MetricSums]) -> dict[str, MeanEstimate]:
    return {name: sums_from_proto(metrics[name]) for name in sorted(metrics)}


def _add(estimates: Sequence[MeanEstimate]) -> MeanEstimate:
    return sum(estimates, MeanEstimate())


def _add_counts(counts: Iterable[Sequence[int]]) -> IntArray | None:
    return _add_arrays([np.array(one, dtype=np.int64) for one in counts if len(one)])


def _add_arrays(arrays: Iterable[IntArray | None]) -> IntArray | None:
    """The sum of the arrays there are; arrays of another length than the first (an older reference) are left out."""
    known = [array for array in arrays if array is not None]
    if not known:
        return None
    same = [array for array in known if array.shape == known[0].shape]
    total: IntArray = np.sum(same, axis=0, dtype=np.int64)
    return total


def _add_padded(counts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    known = list(counts)
    longest = max((len(one) for one in known), default=0)
    return tuple(sum(one[index] for one in known if index < len(one)) for index in range(longest))


def _add_named(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name in sorted(one):
            total[name] = total.get(name, 0) + one[name]
    return total
