"""Counts requests by their outcome, the same for every transport."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill_runtime.errors import NotFound, TidemillError

from tidemill_gateway import metrics
from tidemill_gateway.dataplane import Call

CANCELLED = 499
VERSION_DIGITS = 9


@contextmanager
def observed(call: Call, protocol: str) -> Iterator[None]:
    """Count the request of this block by the status it ends with."""
    code = 200
    try:
        yield
    except TidemillError as error:
        code = error.status
        raise
    except asyncio.CancelledError:
        code = CANCELLED
        raise
    except Exception:
        code = 500
        raise
    finally:
        model, version = ("", "") if call.answered_by is None else (call.model, str(call.answered_by))
        metrics.REQUESTS.labels(model, version, protocol, str(code)).inc()


def parse_version(text: str | None) -> int | None:
    """A version as clients write it, None for none; raises NotFound for what cannot be one."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= VERSION_DIGITS):
        raise NotFound(f"no version {text[:40]!r}; versions are whole numbers")
    return int(text)
