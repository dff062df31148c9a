"""A model's serving table, as values."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class RoutedVersion:
    """A version and its artifact."""

    version: int
    artifact_digest: str


@dataclass(frozen=True)
class RouteState:
    """Who serves a model: the champion, less the candidate's `share`, 0 to 1; the fallback is kept loaded.

    `fraction`, 0 to 1, of the traffic is copied to a candidate that only watches.
    """

    epoch: int
    champion: RoutedVersion
    fallback: RoutedVersion | None
    reason: str
    candidate: RoutedVersion | None = None
    share: float = 0.0
    fraction: float = 0.0


def promote(current: RouteState | None, version: RoutedVersion, reason: str) -> RouteState:
    """`version` takes all the traffic; the champion so far is kept for a rollback."""
    if current is None:
        return RouteState(1, version, None, reason)
    if current.champion == version:
        return replace(current, epoch=current.epoch + 1, reason=reason)
    return RouteState(current.epoch + 1, version, current.champion, reason)


def roll_back(current: RouteState, to: RoutedVersion, next_fallback: RoutedVersion | None, reason: str) -> RouteState:
    """`to` takes all the traffic again; what served is dropped."""
    return RouteState(current.epoch + 1, to, next_fallback, reason)
