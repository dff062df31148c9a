import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tidemill.v1 import profile_pb2 as _profile_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DriftKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRIFT_KIND_UNSPECIFIED: _ClassVar[DriftKind]
    DRIFT_KIND_INPUT: _ClassVar[DriftKind]
    DRIFT_KIND_PERFORMANCE: _ClassVar[DriftKind]
    DRIFT_KIND_PREDICTION: _ClassVar[DriftKind]
    DRIFT_KIND_SKEW: _ClassVar[DriftKind]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_INFO: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_CRITICAL: _ClassVar[Severity]

class DriftAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRIFT_ACTION_UNSPECIFIED: _ClassVar[DriftAction]
    DRIFT_ACTION_RETRAIN: _ClassVar[DriftAction]
    DRIFT_ACTION_TELL_DATA_SCIENTIST: _ClassVar[DriftAction]
    DRIFT_ACTION_TELL_DATA_ENGINEER: _ClassVar[DriftAction]
DRIFT_KIND_UNSPECIFIED: DriftKind
DRIFT_KIND_INPUT: DriftKind
DRIFT_KIND_PERFORMANCE: DriftKind
DRIFT_KIND_PREDICTION: DriftKind
DRIFT_KIND_SKEW: DriftKind
SEVERITY_UNSPECIFIED: Severity
SEVERITY_INFO: Severity
SEVERITY_WARNING: Severity
SEVERITY_CRITICAL: Severity
DRIFT_ACTION_UNSPECIFIED: DriftAction
DRIFT_ACTION_RETRAIN: DriftAction
DRIFT_ACTION_TELL_DATA_SCIENTIST: DriftAction
DRIFT_ACTION_TELL_DATA_ENGINEER: DriftAction

class DriftEvidence(_message.Message):
    __slots__ = ("subject", "test", "statistic", "p_value", "effect", "explanation")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    STATISTIC_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    subject: str
    test: str
    statistic: float
    p_value: float
    effect: float
    explanation: str
    def __init__(self, subject: _Optional[str] = ..., test: _Optional[str] = ..., statistic: _Optional[float] = ..., p_value: _Optional[float] = ..., effect: _Optional[float] = ..., explanation: _Optional[str] = ...) -> None: ...

class DriftDetected(_message.Message):
    __slots__ = ("model", "version", "kind", "severity", "action", "since", "until", "evidence", "pipeline", "reason")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    kind: DriftKind
    severity: Severity
    action: DriftAction
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    evidence: _containers.RepeatedCompositeFieldContainer[DriftEvidence]
    pipeline: str
    reason: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[DriftKind, str]] = ..., severity: _Optional[_Union[Severity, str]] = ..., action: _Optional[_Union[DriftAction, str]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., evidence: _Optional[_Iterable[_Union[DriftEvidence, _Mapping]]] = ..., pipeline: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WindowPartial(_message.Message):
    __slots__ = ("model", "version", "partition", "start", "length", "watermark", "inputs", "predictions", "errors", "labelled", "metrics", "score_positives", "score_negatives", "offset")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: MetricSums
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[MetricSums, _Mapping]] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SCORE_POSITIVES_FIELD_NUMBER: _ClassVar[int]
    SCORE_NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    partition: int
    start: int
    length: int
    watermark: int
    inputs: _profile_pb2.DataProfile
    predictions: int
    errors: int
    labelled: int
    metrics: _containers.MessageMap[str, MetricSums]
    score_positives: _containers.RepeatedScalarFieldContainer[int]
    score_negatives: _containers.RepeatedScalarFieldContainer[int]
    offset: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., partition: _Optional[int] = ..., start: _Optional[int] = ..., length: _Optional[int] = ..., watermark: _Optional[int] = ..., inputs: _Optional[_Union[_profile_pb2.DataProfile, _Mapping]] = ..., predictions: _Optional[int] = ..., errors: _Optional[int] = ..., labelled: _Optional[int] = ..., metrics: _Optional[_Mapping[str, MetricSums]] = ..., score_positives: _Optional[_Iterable[int]] = ..., score_negatives: _Optional[_Iterable[int]] = ..., offset: _Optional[int] = ...) -> None: ...

class MetricSums(_message.Message):
    __slots__ = ("count", "sum", "sum_of_squares")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    SUM_OF_SQUARES_FIELD_NUMBER: _ClassVar[int]
    count: int
    sum: float
    sum_of_squares: float
    def __init__(self, count: _Optional[int] = ..., sum: _Optional[float] = ..., sum_of_squares: _Optional[float] = ...) -> None: ...

class RolloutEvidence(_message.Message):
    __slots__ = ("model", "version", "metric", "observations", "sums", "until")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    metric: str
    observations: int
    sums: MetricSums
    until: _timestamp_pb2.Timestamp
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., metric: _Optional[str] = ..., observations: _Optional[int] = ..., sums: _Optional[_Union[MetricSums, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("topic", "partition", "offset", "consumer_group", "cause", "attempts", "key", "value", "headers", "failed_at")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_GROUP_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    FAILED_AT_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    consumer_group: str
    cause: str
    attempts: int
    key: bytes
    value: bytes
    headers: _containers.ScalarMap[str, bytes]
    failed_at: _timestamp_pb2.Timestamp
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ..., consumer_group: _Optional[str] = ..., cause: _Optional[str] = ..., attempts: _Optional[int] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., headers: _Optional[_Mapping[str, bytes]] = ..., failed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
