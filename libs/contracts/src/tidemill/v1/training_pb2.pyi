import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tidemill.v1 import reference_pb2 as _reference_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TrainingCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAINING_CAUSE_UNSPECIFIED: _ClassVar[TrainingCause]
    TRAINING_CAUSE_HAND: _ClassVar[TrainingCause]
    TRAINING_CAUSE_SCHEDULE: _ClassVar[TrainingCause]
    TRAINING_CAUSE_CODE: _ClassVar[TrainingCause]
    TRAINING_CAUSE_POLICY: _ClassVar[TrainingCause]
    TRAINING_CAUSE_DATA: _ClassVar[TrainingCause]
    TRAINING_CAUSE_DRIFT: _ClassVar[TrainingCause]
TRAINING_CAUSE_UNSPECIFIED: TrainingCause
TRAINING_CAUSE_HAND: TrainingCause
TRAINING_CAUSE_SCHEDULE: TrainingCause
TRAINING_CAUSE_CODE: TrainingCause
TRAINING_CAUSE_POLICY: TrainingCause
TRAINING_CAUSE_DATA: TrainingCause
TRAINING_CAUSE_DRIFT: TrainingCause

class TrainingRequested(_message.Message):
    __slots__ = ("pipeline", "cause", "requested_by", "reason")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    cause: TrainingCause
    requested_by: str
    reason: str
    def __init__(self, pipeline: _Optional[str] = ..., cause: _Optional[_Union[TrainingCause, str]] = ..., requested_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("pipeline", "pipeline_digest", "data_version", "data_digest", "table_version", "code_commit", "code_digest", "libraries", "seed", "trained_until", "cause_event_id", "cause", "image")
    class LibrariesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATA_VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TABLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    CODE_COMMIT_FIELD_NUMBER: _ClassVar[int]
    CODE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LIBRARIES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRAINED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    CAUSE_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    pipeline_digest: str
    data_version: int
    data_digest: str
    table_version: int
    code_commit: str
    code_digest: str
    libraries: _containers.ScalarMap[str, str]
    seed: int
    trained_until: _timestamp_pb2.Timestamp
    cause_event_id: str
    cause: TrainingCause
    image: str
    def __init__(self, pipeline: _Optional[str] = ..., pipeline_digest: _Optional[str] = ..., data_version: _Optional[int] = ..., data_digest: _Optional[str] = ..., table_version: _Optional[int] = ..., code_commit: _Optional[str] = ..., code_digest: _Optional[str] = ..., libraries: _Optional[_Mapping[str, str]] = ..., seed: _Optional[int] = ..., trained_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cause_event_id: _Optional[str] = ..., cause: _Optional[_Union[TrainingCause, str]] = ..., image: _Optional[str] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("name", "algorithm", "hyperparameters", "validation_metrics", "test_metrics", "parity_error", "error", "training_seconds")
    class ValidationMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class TestMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_METRICS_FIELD_NUMBER: _ClassVar[int]
    TEST_METRICS_FIELD_NUMBER: _ClassVar[int]
    PARITY_ERROR_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SECONDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    algorithm: str
    hyperparameters: str
    validation_metrics: _containers.ScalarMap[str, float]
    test_metrics: _containers.ScalarMap[str, float]
    parity_error: float
    error: str
    training_seconds: float
    def __init__(self, name: _Optional[str] = ..., algorithm: _Optional[str] = ..., hyperparameters: _Optional[str] = ..., validation_metrics: _Optional[_Mapping[str, float]] = ..., test_metrics: _Optional[_Mapping[str, float]] = ..., parity_error: _Optional[float] = ..., error: _Optional[str] = ..., training_seconds: _Optional[float] = ...) -> None: ...

class Incumbent(_message.Message):
    __slots__ = ("version", "test_metrics")
    class TestMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TEST_METRICS_FIELD_NUMBER: _ClassVar[int]
    version: int
    test_metrics: _containers.ScalarMap[str, float]
    def __init__(self, version: _Optional[int] = ..., test_metrics: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ModelTrained(_message.Message):
    __slots__ = ("run_id", "pipeline", "model", "artifact_digest", "winner", "candidates", "incumbent", "lineage", "train_rows", "validation_rows", "test_rows", "reference")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WINNER_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    INCUMBENT_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    TRAIN_ROWS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_ROWS_FIELD_NUMBER: _ClassVar[int]
    TEST_ROWS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    pipeline: str
    model: str
    artifact_digest: str
    winner: Candidate
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    incumbent: Incumbent
    lineage: Lineage
    train_rows: int
    validation_rows: int
    test_rows: int
    reference: _reference_pb2.Reference
    def __init__(self, run_id: _Optional[str] = ..., pipeline: _Optional[str] = ..., model: _Optional[str] = ..., artifact_digest: _Optional[str] = ..., winner: _Optional[_Union[Candidate, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., incumbent: _Optional[_Union[Incumbent, _Mapping]] = ..., lineage: _Optional[_Union[Lineage, _Mapping]] = ..., train_rows: _Optional[int] = ..., validation_rows: _Optional[int] = ..., test_rows: _Optional[int] = ..., reference: _Optional[_Union[_reference_pb2.Reference, _Mapping]] = ...) -> None: ...
