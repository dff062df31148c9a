"""What a version learnt from and how it answered on unseen rows: everything live traffic is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from tidemill.v1 import reference_pb2 as pb

from tidemill_stats.arrays import IntArray, frozen_ints
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multivariate import KernelReference
from tidemill_stats.outliers import OutlierReference
from tidemill_stats.pca import PcaReference
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.profile import DataProfile
from tidemill_stats.profile_proto import from_proto as profile_from_proto
from tidemill_stats.profile_proto import to_proto as profile_to_proto
from tidemill_stats.reference_proto import (
    kernel_from_proto,
    kernel_to_proto,
    outliers_from_proto,
    outliers_to_proto,
    pca_from_proto,
    pca_to_proto,
    sums_from_proto,
)


@dataclass(frozen=True)
class DesignEffects:
    """How many live rows carry the information of one independent row, at windows of `scale` >= 1 taken together.

    `parts`: of the training rows they were estimated from. `values`, each at least 1: by feature, `output:<column>`,
    `loss:<metric>`, `kernel`, `pca` and `outliers`. Raises InvalidInput when these do not hold.
    """

    scale: int
    parts: int
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.scale < 1 or self.parts < 0 or not all(value >= 1 for value in self.values.values()):
            raise InvalidInput("need scale >= 1, parts >= 0 and design effects of at least 1")

    def of(self, subject: str) -> float:
        """The design effect of a subject, 1 where none was estimated."""
        return self.values.get(subject, 1.0)


@dataclass(frozen=True, eq=False)
class Reference:
    """Training rows and the answers on unseen rows, in what is compared with live traffic; None: not known.

    `groups`: profiles of parts of the training rows in the cells of `inputs`, by `season:<n>` and
    `slice:<feature>=<value>`. `design_effects`: by scale. `outputs`: of the unseen rows. `performance`: per metric, the
    sums of their losses. `score_positives` and `score_negatives`, shape [200] or [0]: their counts per score bin and
    label. `trained_until`: event time of the last training row, microseconds since the epoch.
    """

    inputs: DataProfile | None = None
    groups: Mapping[str, DataProfile] = field(default_factory=dict)
    design_effects: Mapping[int, DesignEffects] = field(default_factory=dict)
    outputs: DataProfile | None = None
    kernel: KernelReference | None = None
    pca: PcaReference | None = None
    outliers: OutlierReference | None = None
    performance: Mapping[str, MeanEstimate] = field(default_factory=dict)
    score_positives: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    score_negatives: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    trained_until: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "score_positives", frozen_ints(self.score_positives))
        object.__setattr__(self, "score_negatives", frozen_ints(self.score_negatives))
        if self.score_positives.shape != self.score_negatives.shape:
            raise InvalidInput("positives and negatives must have the same score bins")

    def effects(self, scale: int) -> DesignEffects:
        """Design effects at a scale: those of the next known one, for they grow with it, or of the largest; none known:
        of independent rows."""
        if not self.design_effects:
            return DesignEffects(scale, 0, {})
        larger = [one for one in self.design_effects if one >= scale]
        return self.design_effects[min(larger, default=max(self.design_effects))]


def reference_to_proto(reference: Reference) -> pb.Reference:
    """The message that says the same."""
    message = pb.Reference(
        groups={name: profile_to_proto(profile) for name, profile in sorted(reference.groups.items())},
        design_effects=[
            pb.DesignEffects(scale=one.scale, parts=one.parts, values=dict(one.values))
            for _, one in sorted(reference.design_effects.items())
        ],
        performance={
            name: pb.MetricSums(count=one.count, sum=one.sum, sum_of_squares=one.sum_of_squares)
            for name, one in reference.performance.items()
        },
        score_positives=reference.score_positives.tolist(),
        score_negatives=reference.score_negatives.tolist(),
    )
    if reference.inputs is not None:
        message.inputs.CopyFrom(profile_to_proto(reference.inputs))
    if reference.outputs is not None:
        message.outputs.CopyFrom(profile_to_proto(reference.outputs))
    if reference.kernel is not None:
        message.kernel.CopyFrom(kernel_to_proto(reference.kernel))
    if reference.pca is not None:
        message.pca.CopyFrom(pca_to_proto(reference.pca))
    if reference.outliers is not None:
        message.outliers.CopyFrom(outliers_to_proto(reference.outliers))
    if reference.trained_until is not None:
        message.trained_until.FromMicroseconds(reference.trained_until)
    return message


def reference_from_proto(message: pb.Reference) -> Reference:
    """What `message` says. Raises StatsError when it contradicts itself."""
    return Reference(
        inputs=profile_from_proto(message.inputs) if message.HasField("inputs") else None,
        groups={name: profile_from_proto(profile) for name, profile in message.groups.items()},
        design_effects={
            one.scale: DesignEffects(one.scale, one.parts, dict(one.values)) for one in message.design_effects
        },
        outputs=profile_from_proto(message.outputs) if message.HasField("outputs") else None,
        kernel=kernel_from_proto(message.kernel) if message.HasField("kernel") else None,
        pca=pca_from_proto(message.pca) if message.HasField("pca") else None,
        outliers=outliers_from_proto(message.outliers) if message.HasField("outliers") else None,
        performance={name: sums_from_proto(one) for name, one in message.performance.items()},
        score_positives=np.array(message.score_positives, dtype=np.int64),
        score_negatives=np.array(message.score_negatives, dtype=np.int64),
        trained_until=message.trained_until.ToMicroseconds() if message.HasField("trained_until") else None,
    )
