"""What the multivariate tests compare with, as the messages of `tidemill/v1/reference.proto`."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from tidemill.v1 import reference_pb2 as pb

from tidemill_stats.arrays import FloatArray
from tidemill_stats.encoding import CategoricalFeature, Encoding, Feature, NumericFeature
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multivariate import FREQUENCY_RESOLUTION, KernelReference
from tidemill_stats.outliers import HalfSpaceForest, OutlierReference
from tidemill_stats.pca import COMPONENT_RESOLUTION, PcaReference
from tidemill_stats.performance import MeanEstimate

_MOST_DEPTH = 16
_Number = TypeVar("_Number", bound=np.generic)


def encoding_to_proto(encoding: Encoding) -> list[pb.FeatureEncoding]:
    """The messages that say the same, in the order of the columns."""
    return [_feature_to_proto(name, feature) for name, feature in encoding.features.items()]


def encoding_from_proto(messages: Iterable[pb.FeatureEncoding]) -> Encoding:
    """The encoding that `messages` say. Raises InvalidInput when they contradict themselves."""
    return Encoding({message.name: _feature_from_proto(message) for message in messages})


def sums_to_proto(estimate: MeanEstimate) -> pb.MetricSums:
    """The message that says the same."""
    return pb.MetricSums(count=estimate.count, sum=estimate.sum, sum_of_squares=estimate.sum_of_squares)


def sums_from_proto(message: pb.MetricSums) -> MeanEstimate:
    """The estimate that `message` says."""
    return MeanEstimate(message.count, message.sum, message.sum_of_squares)


def kernel_to_proto(reference: KernelReference) -> pb.KernelReference:
    """The message that says the same."""
    return pb.KernelReference(
        encoding=encoding_to_proto(reference.encoding),
        frequencies=_to_integers(reference.frequencies, FREQUENCY_RESOLUTION),
        mean=reference.mean.tolist(),
        weights=reference.weights.tolist(),
        rows=reference.rows,
    )


def kernel_from_proto(message: pb.KernelReference) -> KernelReference:
    """The reference that `message` says. Raises InvalidInput when it contradicts itself."""
    encoding = encoding_from_proto(message.encoding)
    shape = (encoding.width, len(message.mean) // 2)
    return KernelReference(
        encoding=encoding,
        frequencies=_shaped(np.array(message.frequencies, dtype=np.float64) / FREQUENCY_RESOLUTION, shape),
        mean=np.array(message.mean, dtype=np.float64),
        weights=np.array(message.weights, dtype=np.float64),
        rows=message.rows,
    )


def pca_to_proto(reference: PcaReference) -> pb.PcaReference:
    """The message that says the same."""
    return pb.PcaReference(
        encoding=encoding_to_proto(reference.encoding),
        mean=reference.mean.tolist(),
        components=_to_integers(reference.components, COMPONENT_RESOLUTION),
        scale=reference.scale,
        error=sums_to_proto(reference.error),
        skewness=reference.skewness,
    )


def pca_from_proto(message: pb.PcaReference) -> PcaReference:
    """The reference that `message` says. Raises InvalidInput when it contradicts itself."""
    width = len(message.mean)
    shape = (len(message.components) // max(width, 1), width)
    return PcaReference(
        encoding=encoding_from_proto(message.encoding),
        mean=np.array(message.mean, dtype=np.float64),
        components=_shaped(np.array(message.components, dtype=np.float64) / COMPONENT_RESOLUTION, shape),
        scale=message.scale,
        error=sums_from_proto(message.error),
        skewness=message.skewness,
    )


def outliers_to_proto(reference: OutlierReference) -> pb.OutlierReference:
    """The message that says the same."""
    return pb.OutlierReference(
        encoding=encoding_to_proto(reference.encoding),
        depth=reference.forest.depth,
        features=reference.forest.features.ravel().tolist(),
        thresholds=reference.forest.thresholds.ravel().tolist(),
        masses=reference.forest.masses.ravel().tolist(),
        threshold=reference.threshold,
        rows=reference.rows,
        outliers=reference.outliers,
    )


def outliers_from_proto(message: pb.OutlierReference) -> OutlierReference:
    """The reference that `message` says. Raises InvalidInput when it contradicts itself."""
    if not 1 <= message.depth <= _MOST_DEPTH:
        raise InvalidInput(f"depth must lie in 1..{_MOST_DEPTH}, not {message.depth}")
    leaves = 2**message.depth
    trees = len(message.masses) // leaves
    forest = HalfSpaceForest(
        features=_shaped(np.array(message.features, dtype=np.int32), (trees, leaves - 1)),
        thresholds=_shaped(np.array(message.thresholds, dtype=np.float32), (trees, leaves - 1)),
        masses=_shaped(np.array(message.masses, dtype=np.int64), (trees, leaves)),
    )
    return OutlierReference(
        encoding_from_proto(message.encoding), forest, message.threshold, message.rows, message.outliers
    )


def _feature_to_proto(name: str, feature: Feature) -> pb.FeatureEncoding:
    if isinstance(feature, CategoricalFeature):
        return pb.FeatureEncoding(name=name, categories=feature.categories)
    return pb.FeatureEncoding(name=name, centre=feature.centre, spread=feature.spread)


def _feature_from_proto(message: pb.FeatureEncoding) -> Feature:
    if message.spread == 0:
        return CategoricalFeature(tuple(message.categories))
    return NumericFeature(message.centre, message.spread)


def _to_integers(values: FloatArray, resolution: float) -> list[int]:
    integers: list[int] = np.rint(values * resolution).astype(np.int64).ravel().tolist()
    return integers


def _shaped(values: npt.NDArray[_Number], shape: tuple[int, ...]) -> npt.NDArray[_Number]:
    if values.size != int(np.prod(shape)):
        raise InvalidInput(f"{values.size} values are not of shape {shape}")
    return values.reshape(shape)
