import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tidemill.v1 import profile_pb2 as _profile_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reference(_message.Message):
    __slots__ = ("inputs", "groups", "design_effects", "outputs", "kernel", "pca", "outliers", "performance", "score_positives", "score_negatives", "trained_until")
    class GroupsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _profile_pb2.DataProfile
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_profile_pb2.DataProfile, _Mapping]] = ...) -> None: ...
    class PerformanceEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MetricSums
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MetricSums, _Mapping]] = ...) -> None: ...
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    DESIGN_EFFECTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    PCA_FIELD_NUMBER: _ClassVar[int]
    OUTLIERS_FIELD_NUMBER: _ClassVar[int]
    PERFORMANCE_FIELD_NUMBER: _ClassVar[int]
    SCORE_POSITIVES_FIELD_NUMBER: _ClassVar[int]
    SCORE_NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    TRAINED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    inputs: _profile_pb2.DataProfile
    groups: _containers.MessageMap[str, _profile_pb2.DataProfile]
    design_effects: _containers.RepeatedCompositeFieldContainer[DesignEffects]
    outputs: _profile_pb2.DataProfile
    kernel: KernelReference
    pca: PcaReference
    outliers: OutlierReference
    performance: _containers.MessageMap[str, MetricSums]
    score_positives: _containers.RepeatedScalarFieldContainer[int]
    score_negatives: _containers.RepeatedScalarFieldContainer[int]
    trained_until: _timestamp_pb2.Timestamp
    def __init__(self, inputs: _Optional[_Union[_profile_pb2.DataProfile, _Mapping]] = ..., groups: _Optional[_Mapping[str, _profile_pb2.DataProfile]] = ..., design_effects: _Optional[_Iterable[_Union[DesignEffects, _Mapping]]] = ..., outputs: _Optional[_Union[_profile_pb2.DataProfile, _Mapping]] = ..., kernel: _Optional[_Union[KernelReference, _Mapping]] = ..., pca: _Optional[_Union[PcaReference, _Mapping]] = ..., outliers: _Optional[_Union[OutlierReference, _Mapping]] = ..., performance: _Optional[_Mapping[str, MetricSums]] = ..., score_positives: _Optional[_Iterable[int]] = ..., score_negatives: _Optional[_Iterable[int]] = ..., trained_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DesignEffects(_message.Message):
    __slots__ = ("scale", "parts", "values")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SCALE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    scale: int
    parts: int
    values: _containers.ScalarMap[str, float]
    def __init__(self, scale: _Optional[int] = ..., parts: _Optional[int] = ..., values: _Optional[_Mapping[str, float]] = ...) -> None: ...

class MetricSums(_message.Message):
    __slots__ = ("count", "sum", "sum_of_squares")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    SUM_OF_SQUARES_FIELD_NUMBER: _ClassVar[int]
    count: int
    sum: float
    sum_of_squares: float
    def __init__(self, count: _Optional[int] = ..., sum: _Optional[float] = ..., sum_of_squares: _Optional[float] = ...) -> None: ...

class FeatureEncoding(_message.Message):
    __slots__ = ("name", "centre", "spread", "categories")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CENTRE_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    centre: float
    spread: float
    categories: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., centre: _Optional[float] = ..., spread: _Optional[float] = ..., categories: _Optional[_Iterable[str]] = ...) -> None: ...

class KernelReference(_message.Message):
    __slots__ = ("encoding", "frequencies", "mean", "weights", "rows")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    FREQUENCIES_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    encoding: _containers.RepeatedCompositeFieldContainer[FeatureEncoding]
    frequencies: _containers.RepeatedScalarFieldContainer[int]
    mean: _containers.RepeatedScalarFieldContainer[float]
    weights: _containers.RepeatedScalarFieldContainer[float]
    rows: int
    def __init__(self, encoding: _Optional[_Iterable[_Union[FeatureEncoding, _Mapping]]] = ..., frequencies: _Optional[_Iterable[int]] = ..., mean: _Optional[_Iterable[float]] = ..., weights: _Optional[_Iterable[float]] = ..., rows: _Optional[int] = ...) -> None: ...

class PcaReference(_message.Message):
    __slots__ = ("encoding", "mean", "components", "scale", "error", "skewness")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SKEWNESS_FIELD_NUMBER: _ClassVar[int]
    encoding: _containers.RepeatedCompositeFieldContainer[FeatureEncoding]
    mean: _containers.RepeatedScalarFieldContainer[float]
    components: _containers.RepeatedScalarFieldContainer[int]
    scale: float
    error: MetricSums
    skewness: float
    def __init__(self, encoding: _Optional[_Iterable[_Union[FeatureEncoding, _Mapping]]] = ..., mean: _Optional[_Iterable[float]] = ..., components: _Optional[_Iterable[int]] = ..., scale: _Optional[float] = ..., error: _Optional[_Union[MetricSums, _Mapping]] = ..., skewness: _Optional[float] = ...) -> None: ...

class OutlierReference(_message.Message):
    __slots__ = ("encoding", "depth", "features", "thresholds", "masses", "threshold", "rows", "outliers")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    MASSES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    OUTLIERS_FIELD_NUMBER: _ClassVar[int]
    encoding: _containers.RepeatedCompositeFieldContainer[FeatureEncoding]
    depth: int
    features: _containers.RepeatedScalarFieldContainer[int]
    thresholds: _containers.RepeatedScalarFieldContainer[float]
    masses: _containers.RepeatedScalarFieldContainer[int]
    threshold: float
    rows: int
    outliers: int
    def __init__(self, encoding: _Optional[_Iterable[_Union[FeatureEncoding, _Mapping]]] = ..., depth: _Optional[int] = ..., features: _Optional[_Iterable[int]] = ..., thresholds: _Optional[_Iterable[float]] = ..., masses: _Optional[_Iterable[int]] = ..., threshold: _Optional[float] = ..., rows: _Optional[int] = ..., outliers: _Optional[int] = ...) -> None: ...
