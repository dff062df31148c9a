"""Bodies of REST requests, inflated within a cap."""

import asyncio
import zlib

from fastapi import Request
from tidemill_runtime.errors import InvalidInput, TooLarge
from tidemill_runtime.http import read_body

INLINE_BYTES = 64 << 10
_WINDOW_BITS = {"gzip": 31, "deflate": 15}


async def body_of(request: Request, max_bytes: int) -> bytes:
    """The body, inflated; raises TooLarge over `max_bytes` before or after, InvalidInput for a broken one."""
    data = await read_body(request, max_bytes)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return data
    if encoding not in _WINDOW_BITS:
        raise InvalidInput(f"content-encoding {encoding[:40]!r} is not taken; use gzip or deflate")
    if len(data) <= INLINE_BYTES:
        return inflate(data, encoding, max_bytes)
    return await asyncio.to_thread(inflate, data, encoding, max_bytes)


def inflate(data: bytes, encoding: str, max_bytes: int) -> bytes:
    """`data` of encoding gzip or deflate (zlib, as RFC 9110 says), inflated."""
    inflater = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        inflated = inflater.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise InvalidInput(f"the body is not {encoding}: {error}") from None
    if len(inflated) > max_bytes:
        raise TooLarge(f"the inflated body has more than {max_bytes} bytes")
    if not inflater.eof or inflater.unused_data:
        raise InvalidInput(f"the {encoding} body is cut short or goes on after its end")
    return inflated
