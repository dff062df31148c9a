"""The registry's HTTP interface, as far as the command line uses it."""

from typing import Any
from urllib.parse import quote

from tidemill_local.errors import NotThere
from tidemill_local.http import call


def models(url: str) -> list[str]:
    """Names of all models."""
    return [str(item["name"]) for item in call("GET", f"{url}/v1/models")]


def versions(url: str, model: str) -> list[dict[str, Any]]:
    """Every version of `model`, the newest first, with its `version`, `state`, `reason` and more."""
    return list(call("GET", f"{url}/v1/models/{quote(model)}/versions"))


def route_weights(url: str, model: str) -> dict[int, str]:
    """What the route says of each version: its share of the traffic, or `warm`; empty if none serves."""
    try:
        route = call("GET", f"{url}/v1/models/{quote(model)}/routes")
    except NotThere:
        return {}
    said = {int(route["fallback"]): "warm"} if route.get("fallback") else {}
    return said | {int(arm["version"]): f"{float(arm['weight']):.0%}" for arm in route["arms"]}


def decide(url: str, model: str, version: int, verdict: str, actor: str, reason: str) -> Any:
    """`approve` or `reject` a version in the name of `actor`."""
    path = f"/v1/models/{quote(model)}/versions/{version}:{verdict}"
    return call("POST", url + path, {"actor": actor, "reason": reason})


def rollback(url: str, model: str, actor: str, reason: str) -> Any:
    """Give the traffic back to the version that had it before."""
    return call("POST", f"{url}/v1/models/{quote(model)}:rollback", {"actor": actor, "reason": reason})
