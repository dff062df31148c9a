"""Event times that callers give."""

import re
from datetime import UTC, datetime, timedelta

from tidemill_runtime.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WHOLE = re.compile(r"^-?\d{1,18}$")


def now() -> int:
    """Microseconds since the epoch."""
    return (datetime.now(UTC) - EPOCH) // _MICROSECOND


def parse_event_time(value: str | int) -> int:
    """Microseconds since the epoch of an RFC 3339 time or of such a number; InvalidInput otherwise."""
    text = str(value).strip()
    try:
        whole = _WHOLE.match(text)
        moment = EPOCH + timedelta(microseconds=int(text)) if whole else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"event time {text[:40]!r} is neither RFC 3339, as 2013-03-01T12:00:00Z, nor epoch microseconds"
        ) from None
    if moment.tzinfo is None:
        raise InvalidInput(f"event time {text[:40]!r} has no offset; end it with Z or +hh:mm")
    return (moment - EPOCH) // _MICROSECOND
