"""Has a gateway serve the clients' models."""

import uuid
from collections.abc import Mapping
from typing import Any

import httpx
from clients import models
from clients.suites.samples import DATATYPES
from clients.suites.target import Target
from tidemill.v1.model_pb2 import Arm, Route
from tidemill_contracts import topics
from tidemill_local.stack import Stack
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import Producer
from tidemill_runtime.events import new_event
from tidemill_runtime.settings import ServiceSettings


def target_of(stack: Stack) -> Target:
    """The stack's gateway with new names for the models."""
    run = uuid.uuid4().hex[:8]
    return Target(
        rest=f"127.0.0.1:{stack.ports['gateway']}",
        grpc=f"127.0.0.1:{stack.ports['gateway-grpc']}",
        identities={datatype: f"identity-{datatype.lower()}-{run}" for datatype in DATATYPES},
        classifier=f"classifier-{run}",
        slow=f"slow-{run}",
    )


async def route(stack: Stack, target: Target) -> None:
    """Store every model of `target` and route it."""
    environment = stack.environment("gateway")
    artifacts = ArtifactStore(environment["TIDEMILL_ARTIFACTS_URL"])
    settings = ServiceSettings(
        environment="local", kafka_bootstrap=stack.bootstrap, http_port=int(environment["TIDEMILL_HTTP_PORT"])
    )
    producer = Producer(settings, "clients")
    await producer.start()
    try:
        for what, name in target.models.items():
            digest = await models.store(artifacts, name, _model(what))
            one = Route(model=name, epoch=1, arms=[Arm(version=1, artifact_digest=digest, weight=1.0)])
            await producer.send(topics.ROUTES, new_event("registry", name, one))
    finally:
        await producer.stop()


def routes_of(target: Target) -> dict[str, Any]:
    """The gateway's routes by model."""
    answer = httpx.get(f"http://{target.rest}/v1/routes", timeout=10)
    routes: dict[str, Any] = answer.raise_for_status().json()["models"]
    return routes


def is_settled(routes: Mapping[str, Any], target: Target) -> bool:
    """Whether every model of `target` serves, or has failed to."""
    found = [routes.get(name) for name in target.models.values()]
    return all(one is not None and (not one["behind"] or one["failure"]) for one in found)


def _model(what: str) -> models.Model:
    match what:
        case "classifier":
            return models.classifier()
        case "slow":
            return models.slow()
    return models.identity(what)
