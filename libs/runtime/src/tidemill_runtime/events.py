"""Events: CloudEvents 1.0 in Kafka's binary content mode, their data protobuf.

The type is the message's full name. Producers outside may send protobuf's JSON form with `content-type:
application/json`; a missing envelope is then made up from the message's place.
Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.tracing import current_traceparent

NAMESPACE = uuid.UUID("6f1f3a52-7a3f-5b0a-9c43-3d0a4e6c1f77")
PROTOBUF = "application/protobuf"
JSON = "application/json"

M = TypeVar("M", bound=Message)
M_co = TypeVar("M_co", bound=Message, covariant=True)


@dataclass(frozen=True)
class Event(Generic[M_co]):
    """A fact in the past tense."""

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: M_co
    traceparent: str | None = None


def derived_id(*parts: str | int) -> str:
    """UUIDv5 of what an event derives from, so that a replay repeats and never invents."""
    return str(uuid.uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


def new_event(source: str, subject: str, data: M, *, id: str | None = None, time: datetime | None = None) -> Event[M]:  # noqa: A002
    """An event of now, on the current trace; `subject` becomes the Kafka key."""
    return Event(
        id=id or str(uuid.uuid4()),
        type=data.DESCRIPTOR.full_name,
        source=f"tidemill/{source}",
        subject=subject,
        time=time or datetime.now(UTC),
        data=data,
        traceparent=current_traceparent(),
    )


def headers_of(event: Event[Message]) -> list[tuple[str, bytes]]:
    """The event's Kafka headers."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_type": event.type,
        "ce_source": event.source,
        "ce_subject": event.subject,
        "ce_time": event.time.isoformat(),
        "content-type": PROTOBUF,
    }
    if event.traceparent:
        headers["traceparent"] = event.traceparent
    return [(name, value.encode()) for name, value in headers.items()]


def decode(
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    expected: type[M],
    *,
    position: str,
    key: bytes | None,
) -> Event[M]:
    """The event of a Kafka message at `position` (topic/partition/offset); InvalidInput if it is not one."""
    named = _named(headers)
    return Event(
        id=named.get("ce_id") or derived_id(position),
        type=_choose(named, (expected,)).DESCRIPTOR.full_name,
        source=named.get("ce_source", "unknown"),
        subject=named.get("ce_subject") or (key or b"").decode("utf-8", "replace"),
        time=_time(named),
        data=_parse(value or b"", named.get("content-type", PROTOBUF), expected),
        traceparent=named.get("traceparent"),
    )


def decode_data(value: bytes | None, headers: Iterable[tuple[str, bytes | None]], expected: Sequence[type[M]]) -> M:
    """The data alone of a message that is one of the `expected` types, the first if it does not say which.

    Raises InvalidInput if it is none of them.
    """
    wanted = {"ce_type", "content-type"}
    named = _named([pair for pair in headers if pair[0].lower() in wanted])
    return _parse(value or b"", named.get("content-type", PROTOBUF), _choose(named, expected))


def _named(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    return {name.lower(): content.decode("utf-8", "replace") for name, content in headers if content is not None}


def _choose(named: Mapping[str, str], expected: Sequence[type[M]]) -> type[M]:
    declared = named.get("ce_type")
    for one in expected:
        if declared is None or declared == one.DESCRIPTOR.full_name:
            return one
    names = " or ".join(one.DESCRIPTOR.full_name for one in expected)
    raise InvalidInput(f"type {declared} where {names} is expected")


def _parse(value: bytes, content_type: str, expected: type[M]) -> M:
    message = expected()
    try:
        if content_type.lower().startswith(JSON):
            json_format.Parse(value, message)
        else:
            message.ParseFromString(value)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not a {expected.DESCRIPTOR.full_name} as {content_type}: {error}") from error
    return message


def _time(headers: Mapping[str, str]) -> datetime:
    try:
        time = datetime.fromisoformat(headers["ce_time"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
