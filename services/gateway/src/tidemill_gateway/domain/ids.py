"""Prediction ids: UUIDv7 for a request, `<id>:<row>` for each row of a request with several."""

import secrets
import time
import uuid


def new_prediction_id() -> str:
    """A UUIDv7 of now, so that ids sort by time. Source: RFC 9562, section 5.7."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def row_ids(prediction_id: str, rows: int) -> list[str]:
    """Ids of the rows of one request, in order."""
    return [prediction_id] if rows == 1 else [f"{prediction_id}:{row}" for row in range(rows)]
