"""JSON answers."""

from collections.abc import Mapping

import orjson
from fastapi import Response


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` as JSON; NaN becomes null."""
    return Response(orjson.dumps(content), status, headers, "application/json")
