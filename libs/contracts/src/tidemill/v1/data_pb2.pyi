import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tidemill.v1 import profile_pb2 as _profile_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DataArrived(_message.Message):
    __slots__ = ("pipeline", "version", "table", "table_version", "rows", "added_rows", "from_time", "to_time", "profile", "digest", "pipeline_digest")
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    TABLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    ADDED_ROWS_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TO_TIME_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    pipeline: str
    version: int
    table: str
    table_version: int
    rows: int
    added_rows: int
    from_time: _timestamp_pb2.Timestamp
    to_time: _timestamp_pb2.Timestamp
    profile: _profile_pb2.DataProfile
    digest: str
    pipeline_digest: str
    def __init__(self, pipeline: _Optional[str] = ..., version: _Optional[int] = ..., table: _Optional[str] = ..., table_version: _Optional[int] = ..., rows: _Optional[int] = ..., added_rows: _Optional[int] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., to_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., profile: _Optional[_Union[_profile_pb2.DataProfile, _Mapping]] = ..., digest: _Optional[str] = ..., pipeline_digest: _Optional[str] = ...) -> None: ...
