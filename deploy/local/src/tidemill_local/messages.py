"""Kafka messages as JSON, for people."""

import importlib
import json
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import tidemill.v1
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

Headers = Iterable[tuple[str, bytes]]


def as_json(value: bytes | None, headers: Headers, message_type: str | None = None) -> Any:
    """The content as JSON values: protobuf by `message_type`, else by its `ce_type`; JSON as it is; else text."""
    if value is None:
        return None
    named = {name: content.decode(errors="replace") for name, content in headers}
    kind = types().get(message_type or named.get("ce_type", ""))
    if kind and not named.get("content-type", "").startswith("application/json"):
        try:
            return MessageToDict(kind.FromString(value), preserving_proto_field_name=True)
        except DecodeError:
            return {"undecodable": value.hex()}
    text = value.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


@cache
def types() -> Mapping[str, type[Message]]:
    """Every message of the contracts by its full name."""
    modules = [
        importlib.import_module(f"tidemill.v1.{module.name}")
        for module in pkgutil.iter_modules(tidemill.v1.__path__)
        if module.name.endswith("_pb2")
    ]
    kinds = [kind for module in modules for kind in vars(module).values()]
    return {kind.DESCRIPTOR.full_name: kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Message)}
