"""The registry's HTTP interface, as far as the command line uses it."""

from typing import Any, Literal
from urllib.parse import quote, urlencode

from tidemill_local.errors import NotThere
from tidemill_local.http import call

ByHand = Literal["hold", "resume", "promote", "abort"]


def models(url: str) -> list[str]:
    """Names of all models."""
    return [str(item["name"]) for item in call("GET", f"{url}/v1/models")]


def versions(url: str, model: str) -> list[dict[str, Any]]:
    """Every version of `model`, the newest first, with its `version`, `state`, `reason` and more."""
    return list(call("GET", f"{url}/v1/models/{quote(model)}/versions"))


def route_weights(url: str, model: str) -> dict[int, str]:
    """What the route says of each version: its share of the traffic, that of which it gets a copy, or `warm`; empty if
    none serves."""
    try:
        route = call("GET", f"{url}/v1/models/{quote(model)}/routes")
    except NotThere:
        return {}
    said = {int(route["fallback"]): "warm"} if route.get("fallback") else {}
    said |= {int(one["version"]): f"mirror {float(one['fraction']):.0%}" for one in route["mirrors"]}
    return said | {int(arm["version"]): f"{float(arm['weight']):.0%}" for arm in route["arms"]}


def decide(url: str, model: str, version: int, verdict: str, actor: str, reason: str) -> Any:
    """`approve` or `reject` a version in the name of `actor`."""
    path = f"/v1/models/{quote(model)}/versions/{version}:{verdict}"
    return call("POST", url + path, {"actor": actor, "reason": reason})


def rollback(url: str, model: str, actor: str, reason: str) -> Any:
    """Give the traffic back to the version that had it before."""
    return call("POST", f"{url}/v1/models/{quote(model)}:rollback", {"actor": actor, "reason": reason})


def rollouts(url: str, model: str = "", limit: int = 1000) -> list[dict[str, Any]]:
    """The newest rollouts of `model`, or of all, the newest first."""
    asked = {"model": model, "limit": limit} if model else {"limit": limit}
    return list(call("GET", f"{url}/v1/rollouts?{urlencode(asked)}"))


def rollout(url: str, model: str) -> dict[str, Any]:
    """The rollout under way, else the newest, with its evidence. NotThere if there was none."""
    return dict(call("GET", f"{url}/v1/models/{quote(model)}/rollout"))


def move(url: str, model: str, trigger: ByHand, actor: str, reason: str) -> dict[str, Any]:
    """Move the rollout under way by hand, in the name of `actor`; the rollout after it."""
    path = f"/v1/models/{quote(model)}/rollout:{trigger}"
    return dict(call("POST", url + path, {"actor": actor, "reason": reason}))


def history(url: str, model: str, version: int) -> list[dict[str, Any]]:
    """What was decided of a version, the oldest first. NotThere if there is no such version."""
    return list(call("GET", f"{url}/v1/models/{quote(model)}/versions/{version}/history"))


def delivery(url: str, days: int, model: str = "") -> dict[str, Any]:
    """The four metrics of delivery over the last `days`, of `model` or of all."""
    asked = {"days": days, "model": model} if model else {"days": days}
    return dict(call("GET", f"{url}/v1/delivery?{urlencode(asked)}"))
