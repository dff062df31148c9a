"""Protobuf messages as JSON the way Triton writes it: 64-bit whole numbers are numbers, enums are names."""

from typing import Any

from google.protobuf.message import Message


def plain(message: Message) -> dict[str, Any]:
    """Every field of the message by its name in the contract."""
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields if _is_told(message, field)}


def _is_told(message: Message, field: Any) -> bool:
    return not field.has_presence or message.HasField(field.name)


def _value(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        inner = entry.fields_by_name["value"]
        return {str(key): _one(inner, item) for key, item in value.items()}
    if field.is_repeated:
        return [_one(field, item) for item in value]
    return _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return plain(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
