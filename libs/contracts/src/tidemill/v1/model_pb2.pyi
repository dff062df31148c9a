from tidemill.v1 import reference_pb2 as _reference_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReleaseStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELEASE_STRATEGY_UNSPECIFIED: _ClassVar[ReleaseStrategy]
    RELEASE_STRATEGY_DIRECT: _ClassVar[ReleaseStrategy]
    RELEASE_STRATEGY_SHADOW: _ClassVar[ReleaseStrategy]
    RELEASE_STRATEGY_CANARY: _ClassVar[ReleaseStrategy]
    RELEASE_STRATEGY_AB: _ClassVar[ReleaseStrategy]
    RELEASE_STRATEGY_BANDIT: _ClassVar[ReleaseStrategy]
RELEASE_STRATEGY_UNSPECIFIED: ReleaseStrategy
RELEASE_STRATEGY_DIRECT: ReleaseStrategy
RELEASE_STRATEGY_SHADOW: ReleaseStrategy
RELEASE_STRATEGY_CANARY: ReleaseStrategy
RELEASE_STRATEGY_AB: ReleaseStrategy
RELEASE_STRATEGY_BANDIT: ReleaseStrategy

class PolicyFinding(_message.Message):
    __slots__ = ("rule", "passed", "explanation")
    RULE_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    rule: str
    passed: bool
    explanation: str
    def __init__(self, rule: _Optional[str] = ..., passed: _Optional[bool] = ..., explanation: _Optional[str] = ...) -> None: ...

class ModelApproved(_message.Message):
    __slots__ = ("model", "version", "artifact_digest", "approved_by", "reason", "findings", "release_strategy", "release_share", "pipeline", "test_metrics", "reference")
    class TestMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    RELEASE_STRATEGY_FIELD_NUMBER: _ClassVar[int]
    RELEASE_SHARE_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    TEST_METRICS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    artifact_digest: str
    approved_by: str
    reason: str
    findings: _containers.RepeatedCompositeFieldContainer[PolicyFinding]
    release_strategy: ReleaseStrategy
    release_share: float
    pipeline: str
    test_metrics: _containers.ScalarMap[str, float]
    reference: _reference_pb2.Reference
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., artifact_digest: _Optional[str] = ..., approved_by: _Optional[str] = ..., reason: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[PolicyFinding, _Mapping]]] = ..., release_strategy: _Optional[_Union[ReleaseStrategy, str]] = ..., release_share: _Optional[float] = ..., pipeline: _Optional[str] = ..., test_metrics: _Optional[_Mapping[str, float]] = ..., reference: _Optional[_Union[_reference_pb2.Reference, _Mapping]] = ...) -> None: ...

class Arm(_message.Message):
    __slots__ = ("version", "artifact_digest", "weight")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    version: int
    artifact_digest: str
    weight: float
    def __init__(self, version: _Optional[int] = ..., artifact_digest: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class Mirror(_message.Message):
    __slots__ = ("version", "artifact_digest", "fraction")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    version: int
    artifact_digest: str
    fraction: float
    def __init__(self, version: _Optional[int] = ..., artifact_digest: _Optional[str] = ..., fraction: _Optional[float] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("model", "epoch", "arms", "mirrors", "warm", "sticky_header", "reason", "sticky_field")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    MIRRORS_FIELD_NUMBER: _ClassVar[int]
    WARM_FIELD_NUMBER: _ClassVar[int]
    STICKY_HEADER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STICKY_FIELD_FIELD_NUMBER: _ClassVar[int]
    model: str
    epoch: int
    arms: _containers.RepeatedCompositeFieldContainer[Arm]
    mirrors: _containers.RepeatedCompositeFieldContainer[Mirror]
    warm: _containers.RepeatedCompositeFieldContainer[Arm]
    sticky_header: str
    reason: str
    sticky_field: str
    def __init__(self, model: _Optional[str] = ..., epoch: _Optional[int] = ..., arms: _Optional[_Iterable[_Union[Arm, _Mapping]]] = ..., mirrors: _Optional[_Iterable[_Union[Mirror, _Mapping]]] = ..., warm: _Optional[_Iterable[_Union[Arm, _Mapping]]] = ..., sticky_header: _Optional[str] = ..., reason: _Optional[str] = ..., sticky_field: _Optional[str] = ...) -> None: ...

class RolloutChanged(_message.Message):
    __slots__ = ("model", "version", "champion", "trigger", "phase", "stage", "share", "held", "actor", "reason", "epoch", "strategy", "risk")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHAMPION_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    champion: int
    trigger: str
    phase: str
    stage: int
    share: float
    held: bool
    actor: str
    reason: str
    epoch: int
    strategy: ReleaseStrategy
    risk: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., champion: _Optional[int] = ..., trigger: _Optional[str] = ..., phase: _Optional[str] = ..., stage: _Optional[int] = ..., share: _Optional[float] = ..., held: _Optional[bool] = ..., actor: _Optional[str] = ..., reason: _Optional[str] = ..., epoch: _Optional[int] = ..., strategy: _Optional[_Union[ReleaseStrategy, str]] = ..., risk: _Optional[str] = ...) -> None: ...
