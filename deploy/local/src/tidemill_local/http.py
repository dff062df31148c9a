"""Calls of the services' HTTP interfaces."""

import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

from tidemill_local.errors import NotThere, StackError

SECONDS = 30


def call(method: str, url: str, body: object | None = None) -> Any:
    """The decoded JSON answer; TIDEMILL_OPERATOR_TOKEN, if set, goes along.

    Raises StackError with the service's own message when it refuses or does not answer; NotThere on 404.
    """
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=SECONDS)
    try:
        target = f"{place.path}?{place.query}" if place.query else place.path
        connection.request(method, target, json.dumps(body) if body else None, _headers())
        answer = connection.getresponse()
        content = json.load(answer)
    except (OSError, http.client.HTTPException) as error:
        raise StackError(f"{url} does not answer: {error}", "Start the stack: ./tidemill up") from error
    except ValueError as error:
        raise StackError(f"{url} answered {answer.status} without JSON.") from error
    finally:
        connection.close()
    if answer.status >= http.client.BAD_REQUEST:
        kind = NotThere if answer.status == http.client.NOT_FOUND else StackError
        raise kind(str(content.get("error", content) if isinstance(content, dict) else content))
    return content


def _headers() -> dict[str, str]:
    token = os.environ.get("TIDEMILL_OPERATOR_TOKEN")
    return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
