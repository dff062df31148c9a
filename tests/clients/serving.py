"""Has a gateway serve the clients' models."""

import uuid
from collections.abc import Mapping
from typing import Any

from clients import models
from clients.suites.samples import DATATYPES
from clients.suites.target import Target
from onnx_models import Model
from routing import router
from tidemill_local.stack import Stack


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
    async with router(stack) as routes:
        for what, name in target.models.items():
            await routes.route(name, 1, [(1, await routes.store(name, _model(what)), 1.0)])


def is_settled(routes: Mapping[str, Any], target: Target) -> bool:
    """Whether every model of `target` serves, or has failed to."""
    found = [routes.get(name) for name in target.models.values()]
    return all(one is not None and (not one["behind"] or one["failure"]) for one in found)


def _model(what: str) -> Model:
    match what:
        case "classifier":
            return models.classifier()
        case "slow":
            return models.slow()
    return models.identity(what)
