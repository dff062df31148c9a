"""Validates records against a source's schema: a clean row, or every reason why not."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tidemill_contracts.pipeline import RecordField, Source

MAX_ID_LENGTH = 256
MAX_TEXT_LENGTH = 4096
SHOWN_LENGTH = 40
LARGEST_EXACT_INT = 2**53

Value = float | int | str | bool | datetime | None
Check = Callable[[Any], Value]


class Refused(ValueError):
    """A value that its field does not allow; the text says why and what would do."""


@dataclass(frozen=True)
class Verdict:
    """What came of a record: a row, or reasons."""

    row: Mapping[str, Value] | None
    reasons: tuple[str, ...] = ()


class Validator:
    """Checks the records of one source; unknown fields are refused."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._checks = {name: partial(_CHECKS[field.type], field) for name, field in source.fields.items()}
        self._known = {source.key, *source.fields}

    def check(self, record: object) -> Verdict:
        """A row with every field of the source (None where it is missing), or the reasons."""
        if not isinstance(record, dict):
            return Verdict(None, (f"a record is a JSON object, not {_shown(record)}",))
        row: dict[str, Value] = {}
        reasons: list[str] = []
        try:
            row[self._source.key] = _identifier(record.get(self._source.key))
        except Refused as error:
            reasons.append(f"{self._source.key}: {error}")
        for name, field in self._source.fields.items():
            value = record.get(name)
            if value is None:
                if field.required:
                    reasons.append(f"{name}: missing")
                row[name] = None
                continue
            try:
                row[name] = self._checks[name](value)
            except Refused as error:
                reasons.append(f"{name}: {error}")
        if record.keys() - self._known:
            unknown = ", ".join(sorted(str(name)[:SHOWN_LENGTH] for name in record.keys() - self._known))
            reasons.append(f"not in the schema: {unknown}")
        return Verdict(None, tuple(reasons)) if reasons else Verdict(row)


def _identifier(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH:
        raise Refused(f"{_shown(value)} is not a text of 1 to {MAX_ID_LENGTH} characters")
    return value


def _float(field: RecordField, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{_shown(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        raise Refused(f"{_shown(value)} is too large") from None
    if not math.isfinite(number):
        raise Refused(f"{_shown(value)} is not finite; leave the field out if it is unknown")
    _within(field, number)
    return number


def _int(field: RecordField, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused(f"{_shown(value)} is not a whole number")
    if abs(value) > LARGEST_EXACT_INT:
        raise Refused(f"{_shown(value)} is beyond ±2^53")
    _within(field, value)
    return value


def _bool(_: RecordField, value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"{_shown(value)} is not true or false")
    return value


def _category(field: RecordField, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_LENGTH:
        raise Refused(f"{_shown(value)} is not a text of 1 to {MAX_TEXT_LENGTH} characters")
    if field.categories is not None and value not in field.categories:
        raise Refused(f"{_shown(value)} is not one of {', '.join(field.categories)}")
    return value


def _timestamp(_: RecordField, value: object) -> datetime:
    if not isinstance(value, str):
        raise Refused(f"{_shown(value)} is not a time as text, for example 2013-01-31T17:05:00Z")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Refused(f"{_shown(value)} is not a time, for example 2013-01-31T17:05:00Z") from None
    if moment.tzinfo is None:
        raise Refused(f"{_shown(value)} has no time zone; add Z for UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Refused(f"{_shown(value)} is out of range") from None


def _within(field: RecordField, number: float) -> None:
    if field.min is not None and number < field.min:
        raise Refused(f"{number:g} is below {field.min:g}")
    if field.max is not None and number > field.max:
        raise Refused(f"{number:g} is above {field.max:g}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + "…"


_CHECKS: dict[str, Callable[[RecordField, Any], Value]] = {
    "float": _float,
    "int": _int,
    "bool": _bool,
    "category": _category,
    "timestamp": _timestamp,
}
