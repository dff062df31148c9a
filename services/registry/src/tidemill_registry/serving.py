"""Puts a route into effect: its row, and its event in the outbox, in the caller's transaction."""

from sqlmodel.ext.asyncio.session import AsyncSession
from tidemill.v1.model_pb2 import Arm, Mirror, Route
from tidemill_contracts import topics
from tidemill_contracts.pipeline import feature_name
from tidemill_contracts.release import Release
from tidemill_runtime.events import derived_id, new_event
from tidemill_runtime.outbox import enqueue

from tidemill_registry import metrics
from tidemill_registry.domain.routes import RoutedVersion, RouteState
from tidemill_registry.repository import Repository


async def save_route(session: AsyncSession, model: str, route: RouteState, release: Release) -> None:
    """Save the route and tell the gateways."""
    await Repository(session).save_route(model, route)
    identifier = derived_id(topics.ROUTES, model, route.epoch)
    event = new_event("registry", model, route_message(model, route, release), id=identifier)
    await enqueue(session, topics.ROUTES, event)
    metrics.CHAMPION.labels(model).set(route.champion.version)


def route_message(model: str, route: RouteState, release: Release) -> Route:
    """The event that says who serves `model` and what keeps a caller on one version."""
    arms = [_arm(route.champion, 1.0 - route.share)]
    mirrors = []
    if route.candidate is not None and route.share > 0:
        arms.append(_arm(route.candidate, route.share))
    if route.candidate is not None and route.fraction > 0:
        digest = route.candidate.artifact_digest
        mirrors.append(Mirror(version=route.candidate.version, artifact_digest=digest, fraction=route.fraction))
    return Route(
        model=model,
        epoch=route.epoch,
        arms=arms,
        mirrors=mirrors,
        warm=[_arm(route.fallback, 0.0)] if route.fallback else [],
        sticky_header=release.sticky_header,
        sticky_field=feature_name(release.sticky_field),
        reason=route.reason,
    )


def _arm(version: RoutedVersion, weight: float) -> Arm:
    return Arm(version=version.version, artifact_digest=version.artifact_digest, weight=weight)
