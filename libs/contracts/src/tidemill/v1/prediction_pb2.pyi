import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ArmRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARM_ROLE_UNSPECIFIED: _ClassVar[ArmRole]
    ARM_ROLE_PRIMARY: _ClassVar[ArmRole]
    ARM_ROLE_MIRROR: _ClassVar[ArmRole]
ARM_ROLE_UNSPECIFIED: ArmRole
ARM_ROLE_PRIMARY: ArmRole
ARM_ROLE_MIRROR: ArmRole

class Column(_message.Message):
    __slots__ = ("name", "numbers", "texts", "hashed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    HASHED_FIELD_NUMBER: _ClassVar[int]
    name: str
    numbers: Numbers
    texts: Texts
    hashed: bool
    def __init__(self, name: _Optional[str] = ..., numbers: _Optional[_Union[Numbers, _Mapping]] = ..., texts: _Optional[_Union[Texts, _Mapping]] = ..., hashed: _Optional[bool] = ...) -> None: ...

class Numbers(_message.Message):
    __slots__ = ("values", "width")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    width: int
    def __init__(self, values: _Optional[_Iterable[float]] = ..., width: _Optional[int] = ...) -> None: ...

class Texts(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class PredictionBatch(_message.Message):
    __slots__ = ("model", "version", "role", "prediction_ids", "event_times", "latencies", "inputs", "outputs", "error", "epoch", "units")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_IDS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIMES_FIELD_NUMBER: _ClassVar[int]
    LATENCIES_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    role: ArmRole
    prediction_ids: _containers.RepeatedScalarFieldContainer[str]
    event_times: _containers.RepeatedScalarFieldContainer[int]
    latencies: _containers.RepeatedScalarFieldContainer[float]
    inputs: _containers.RepeatedCompositeFieldContainer[Column]
    outputs: _containers.RepeatedCompositeFieldContainer[Column]
    error: str
    epoch: int
    units: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., role: _Optional[_Union[ArmRole, str]] = ..., prediction_ids: _Optional[_Iterable[str]] = ..., event_times: _Optional[_Iterable[int]] = ..., latencies: _Optional[_Iterable[float]] = ..., inputs: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., error: _Optional[str] = ..., epoch: _Optional[int] = ..., units: _Optional[_Iterable[int]] = ...) -> None: ...

class GroundTruth(_message.Message):
    __slots__ = ("prediction_id", "record_id", "pipeline", "label", "observed_at")
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    prediction_id: str
    record_id: str
    pipeline: str
    label: float
    observed_at: _timestamp_pb2.Timestamp
    def __init__(self, prediction_id: _Optional[str] = ..., record_id: _Optional[str] = ..., pipeline: _Optional[str] = ..., label: _Optional[float] = ..., observed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GroundTruthBatch(_message.Message):
    __slots__ = ("pipeline", "prediction_ids", "record_ids", "labels", "observed_at")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_IDS_FIELD_NUMBER: _ClassVar[int]
    RECORD_IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    prediction_ids: _containers.RepeatedScalarFieldContainer[str]
    record_ids: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.RepeatedScalarFieldContainer[float]
    observed_at: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, pipeline: _Optional[str] = ..., prediction_ids: _Optional[_Iterable[str]] = ..., record_ids: _Optional[_Iterable[str]] = ..., labels: _Optional[_Iterable[float]] = ..., observed_at: _Optional[_Iterable[int]] = ...) -> None: ...

class PredictionRequest(_message.Message):
    __slots__ = ("model", "inputs", "event_time")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedCompositeFieldContainer[Column]
    event_time: _timestamp_pb2.Timestamp
    def __init__(self, model: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
