"""The registry's HTTP interface, as far as the command line uses it."""

from typing import Any
from urllib.parse import quote

from tidemill_local.http import call


def models(url: str) -> list[str]:
    """Names of all models."""
    return [item["name"] if isinstance(item, dict) else str(item) for item in _items(call("GET", f"{url}/v1/models"))]


def versions(url: str, model: str) -> list[dict[str, Any]]:
    """Every version of `model` with at least `version` and `status`."""
    return [dict(item) for item in _items(call("GET", f"{url}/v1/models/{quote(model)}/versions"))]


def route_weights(url: str, model: str) -> dict[int, str]:
    """What the newest route says of each version: its share of the traffic, `mirror` or `warm`."""
    answer = call("GET", f"{url}/v1/models/{quote(model)}/routes")
    routes = _items(answer) if isinstance(answer, list) or "arms" not in answer else [answer]
    newest: dict[str, Any] = max(routes, key=lambda route: int(route.get("epoch", 0)), default={})
    said = {int(arm["version"]): "warm" for arm in newest.get("warm", ())}
    said |= {int(mirror["version"]): "mirror" for mirror in newest.get("mirrors", ())}
    return said | {int(arm["version"]): f"{float(arm['weight']):.0%}" for arm in newest.get("arms", ())}


def decide(url: str, model: str, version: int, verdict: str, actor: str, reason: str) -> Any:
    """`approve` or `reject` a version in the name of `actor`."""
    path = f"/v1/models/{quote(model)}/versions/{version}:{verdict}"
    return call("POST", url + path, {"actor": actor, "reason": reason})


def rollback(url: str, model: str, actor: str, reason: str) -> Any:
    """Give the traffic back to the version that had it before."""
    return call("POST", f"{url}/v1/models/{quote(model)}:rollback", {"actor": actor, "reason": reason})


def _items(answer: Any) -> list[Any]:
    """The list in an answer: the answer itself, or its only list."""
    if isinstance(answer, list):
        return answer
    return next((value for value in answer.values() if isinstance(value, list)), [])
