import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tidemill.v1 import profile_pb2 as _profile_pb2
from tidemill.v1 import reference_pb2 as _reference_pb2
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
    DRIFT_KIND_DATA_SKEW: _ClassVar[DriftKind]
    DRIFT_KIND_SCHEMA_SKEW: _ClassVar[DriftKind]
    DRIFT_KIND_MULTIVARIATE: _ClassVar[DriftKind]
    DRIFT_KIND_OUTLIERS: _ClassVar[DriftKind]
    DRIFT_KIND_ESTIMATED_PERFORMANCE: _ClassVar[DriftKind]
    DRIFT_KIND_STALENESS: _ClassVar[DriftKind]
    DRIFT_KIND_NUMERICAL_HEALTH: _ClassVar[DriftKind]
    DRIFT_KIND_TRAFFIC: _ClassVar[DriftKind]
    DRIFT_KIND_SERVING: _ClassVar[DriftKind]

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
DRIFT_KIND_DATA_SKEW: DriftKind
DRIFT_KIND_SCHEMA_SKEW: DriftKind
DRIFT_KIND_MULTIVARIATE: DriftKind
DRIFT_KIND_OUTLIERS: DriftKind
DRIFT_KIND_ESTIMATED_PERFORMANCE: DriftKind
DRIFT_KIND_STALENESS: DriftKind
DRIFT_KIND_NUMERICAL_HEALTH: DriftKind
DRIFT_KIND_TRAFFIC: DriftKind
DRIFT_KIND_SERVING: DriftKind
SEVERITY_UNSPECIFIED: Severity
SEVERITY_INFO: Severity
SEVERITY_WARNING: Severity
SEVERITY_CRITICAL: Severity
DRIFT_ACTION_UNSPECIFIED: DriftAction
DRIFT_ACTION_RETRAIN: DriftAction
DRIFT_ACTION_TELL_DATA_SCIENTIST: DriftAction
DRIFT_ACTION_TELL_DATA_ENGINEER: DriftAction

class DriftEvidence(_message.Message):
    __slots__ = ("subject", "test", "statistic", "p_value", "effect", "explanation", "then", "now")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TEST_FIELD_NUMBER: _ClassVar[int]
    STATISTIC_FIELD_NUMBER: _ClassVar[int]
    P_VALUE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    THEN_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    subject: str
    test: str
    statistic: float
    p_value: float
    effect: float
    explanation: str
    then: _profile_pb2.ColumnProfile
    now: _profile_pb2.ColumnProfile
    def __init__(self, subject: _Optional[str] = ..., test: _Optional[str] = ..., statistic: _Optional[float] = ..., p_value: _Optional[float] = ..., effect: _Optional[float] = ..., explanation: _Optional[str] = ..., then: _Optional[_Union[_profile_pb2.ColumnProfile, _Mapping]] = ..., now: _Optional[_Union[_profile_pb2.ColumnProfile, _Mapping]] = ...) -> None: ...

class DriftDetected(_message.Message):
    __slots__ = ("model", "version", "kind", "severity", "action", "since", "until", "evidence", "pipeline", "reason", "slice", "windows")
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
    SLICE_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
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
    slice: str
    windows: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[DriftKind, str]] = ..., severity: _Optional[_Union[Severity, str]] = ..., action: _Optional[_Union[DriftAction, str]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., evidence: _Optional[_Iterable[_Union[DriftEvidence, _Mapping]]] = ..., pipeline: _Optional[str] = ..., reason: _Optional[str] = ..., slice: _Optional[str] = ..., windows: _Optional[int] = ...) -> None: ...

class DriftResponse(_message.Message):
    __slots__ = ("id", "model", "acknowledged", "silenced", "by", "reason", "at", "expires")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    SILENCED_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    id: str
    model: str
    acknowledged: DriftAcknowledged
    silenced: DriftSilenced
    by: str
    reason: str
    at: _timestamp_pb2.Timestamp
    expires: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., model: _Optional[str] = ..., acknowledged: _Optional[_Union[DriftAcknowledged, _Mapping]] = ..., silenced: _Optional[_Union[DriftSilenced, _Mapping]] = ..., by: _Optional[str] = ..., reason: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DriftAcknowledged(_message.Message):
    __slots__ = ("alarm_id", "kind", "subjects", "slice", "severity")
    ALARM_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    SLICE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    alarm_id: str
    kind: DriftKind
    subjects: _containers.RepeatedScalarFieldContainer[str]
    slice: str
    severity: Severity
    def __init__(self, alarm_id: _Optional[str] = ..., kind: _Optional[_Union[DriftKind, str]] = ..., subjects: _Optional[_Iterable[str]] = ..., slice: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ...) -> None: ...

class DriftSilenced(_message.Message):
    __slots__ = ("kind", "subject")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    kind: DriftKind
    subject: str
    def __init__(self, kind: _Optional[_Union[DriftKind, str]] = ..., subject: _Optional[str] = ...) -> None: ...

class Notified(_message.Message):
    __slots__ = ("alarm_id", "channel", "at")
    ALARM_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    alarm_id: str
    channel: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, alarm_id: _Optional[str] = ..., channel: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PanePartial(_message.Message):
    __slots__ = ("model", "version", "partition", "start", "length", "watermark", "offset", "total", "slices", "embedding", "reconstruction", "outliers", "latency", "latency_buckets", "schema_violations", "invalid_outputs", "labels", "corrected", "censored", "mirror", "epochs", "shadow")
    class SlicesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: SlicePartial
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[SlicePartial, _Mapping]] = ...) -> None: ...
    class SchemaViolationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    RECONSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    OUTLIERS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_BUCKETS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    INVALID_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_FIELD_NUMBER: _ClassVar[int]
    CENSORED_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    partition: int
    start: int
    length: int
    watermark: int
    offset: int
    total: SlicePartial
    slices: _containers.MessageMap[str, SlicePartial]
    embedding: _containers.RepeatedScalarFieldContainer[int]
    reconstruction: _reference_pb2.MetricSums
    outliers: int
    latency: _reference_pb2.MetricSums
    latency_buckets: _containers.RepeatedScalarFieldContainer[int]
    schema_violations: _containers.ScalarMap[str, int]
    invalid_outputs: int
    labels: _containers.RepeatedCompositeFieldContainer[LabelPane]
    corrected: int
    censored: int
    mirror: bool
    epochs: _containers.RepeatedCompositeFieldContainer[EpochEvidence]
    shadow: ShadowEvidence
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., partition: _Optional[int] = ..., start: _Optional[int] = ..., length: _Optional[int] = ..., watermark: _Optional[int] = ..., offset: _Optional[int] = ..., total: _Optional[_Union[SlicePartial, _Mapping]] = ..., slices: _Optional[_Mapping[str, SlicePartial]] = ..., embedding: _Optional[_Iterable[int]] = ..., reconstruction: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ..., outliers: _Optional[int] = ..., latency: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ..., latency_buckets: _Optional[_Iterable[int]] = ..., schema_violations: _Optional[_Mapping[str, int]] = ..., invalid_outputs: _Optional[int] = ..., labels: _Optional[_Iterable[_Union[LabelPane, _Mapping]]] = ..., corrected: _Optional[int] = ..., censored: _Optional[int] = ..., mirror: _Optional[bool] = ..., epochs: _Optional[_Iterable[_Union[EpochEvidence, _Mapping]]] = ..., shadow: _Optional[_Union[ShadowEvidence, _Mapping]] = ...) -> None: ...

class EpochEvidence(_message.Message):
    __slots__ = ("epoch", "predictions", "errors", "slow", "latency", "units")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    SLOW_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    predictions: int
    errors: int
    slow: int
    latency: _reference_pb2.MetricSums
    units: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, epoch: _Optional[int] = ..., predictions: _Optional[int] = ..., errors: _Optional[int] = ..., slow: _Optional[int] = ..., latency: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ..., units: _Optional[_Iterable[int]] = ...) -> None: ...

class ShadowEvidence(_message.Message):
    __slots__ = ("pairs", "agreements", "distance", "delay")
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    pairs: int
    agreements: int
    distance: _reference_pb2.MetricSums
    delay: _reference_pb2.MetricSums
    def __init__(self, pairs: _Optional[int] = ..., agreements: _Optional[int] = ..., distance: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ..., delay: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ...) -> None: ...

class SlicePartial(_message.Message):
    __slots__ = ("predictions", "errors", "labelled", "metrics", "score_positives", "score_negatives", "scores", "expected", "inputs", "outputs", "score_log_odds", "score_base")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _reference_pb2.MetricSums
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ...) -> None: ...
    class ExpectedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _reference_pb2.MetricSums
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ...) -> None: ...
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SCORE_POSITIVES_FIELD_NUMBER: _ClassVar[int]
    SCORE_NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    SCORE_LOG_ODDS_FIELD_NUMBER: _ClassVar[int]
    SCORE_BASE_FIELD_NUMBER: _ClassVar[int]
    predictions: int
    errors: int
    labelled: int
    metrics: _containers.MessageMap[str, _reference_pb2.MetricSums]
    score_positives: _containers.RepeatedScalarFieldContainer[int]
    score_negatives: _containers.RepeatedScalarFieldContainer[int]
    scores: _containers.RepeatedScalarFieldContainer[int]
    expected: _containers.MessageMap[str, _reference_pb2.MetricSums]
    inputs: _profile_pb2.DataProfile
    outputs: _profile_pb2.DataProfile
    score_log_odds: _containers.RepeatedScalarFieldContainer[int]
    score_base: int
    def __init__(self, predictions: _Optional[int] = ..., errors: _Optional[int] = ..., labelled: _Optional[int] = ..., metrics: _Optional[_Mapping[str, _reference_pb2.MetricSums]] = ..., score_positives: _Optional[_Iterable[int]] = ..., score_negatives: _Optional[_Iterable[int]] = ..., scores: _Optional[_Iterable[int]] = ..., expected: _Optional[_Mapping[str, _reference_pb2.MetricSums]] = ..., inputs: _Optional[_Union[_profile_pb2.DataProfile, _Mapping]] = ..., outputs: _Optional[_Union[_profile_pb2.DataProfile, _Mapping]] = ..., score_log_odds: _Optional[_Iterable[int]] = ..., score_base: _Optional[int] = ...) -> None: ...

class LabelPane(_message.Message):
    __slots__ = ("start", "labelled", "metrics")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _reference_pb2.MetricSums
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_reference_pb2.MetricSums, _Mapping]] = ...) -> None: ...
    START_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    start: int
    labelled: int
    metrics: _containers.MessageMap[str, _reference_pb2.MetricSums]
    def __init__(self, start: _Optional[int] = ..., labelled: _Optional[int] = ..., metrics: _Optional[_Mapping[str, _reference_pb2.MetricSums]] = ...) -> None: ...

class RolloutEvidence(_message.Message):
    __slots__ = ("model", "start", "length", "sequence", "complete_until", "arms")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_UNTIL_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    model: str
    start: int
    length: int
    sequence: int
    complete_until: int
    arms: _containers.RepeatedCompositeFieldContainer[ArmEvidence]
    def __init__(self, model: _Optional[str] = ..., start: _Optional[int] = ..., length: _Optional[int] = ..., sequence: _Optional[int] = ..., complete_until: _Optional[int] = ..., arms: _Optional[_Iterable[_Union[ArmEvidence, _Mapping]]] = ...) -> None: ...

class ArmEvidence(_message.Message):
    __slots__ = ("version", "mirror", "predictions", "labelled", "epochs", "labels", "shadow")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MIRROR_FIELD_NUMBER: _ClassVar[int]
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    version: int
    mirror: bool
    predictions: int
    labelled: int
    epochs: _containers.RepeatedCompositeFieldContainer[EpochEvidence]
    labels: _containers.RepeatedCompositeFieldContainer[LabelPane]
    shadow: ShadowEvidence
    def __init__(self, version: _Optional[int] = ..., mirror: _Optional[bool] = ..., predictions: _Optional[int] = ..., labelled: _Optional[int] = ..., epochs: _Optional[_Iterable[_Union[EpochEvidence, _Mapping]]] = ..., labels: _Optional[_Iterable[_Union[LabelPane, _Mapping]]] = ..., shadow: _Optional[_Union[ShadowEvidence, _Mapping]] = ...) -> None: ...

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
