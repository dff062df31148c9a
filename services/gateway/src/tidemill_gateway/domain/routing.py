"""The serving table of a model. Which version answers a request is the data plane's to say, from this table alone."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tidemill.v1 import model_pb2
from tidemill_runtime.errors import InvalidInput

_MODEL = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Arm:
    """A version that answers; weights need not sum to 1."""

    version: int
    weight: float


@dataclass(frozen=True)
class Mirror:
    """A version that gets a copy of `fraction` (0 to 1) of the traffic."""

    version: int
    fraction: float


@dataclass(frozen=True)
class RouteTable:
    """The serving table of one model."""

    model: str
    epoch: int
    arms: tuple[Arm, ...]
    mirrors: tuple[Mirror, ...]
    warm: tuple[int, ...]
    digests: Mapping[int, str]
    sticky_header: str = ""
    sticky_field: str = ""

    def document(self) -> dict[str, Any]:
        """The table as the data plane reads it."""
        return {
            "model": self.model,
            "epoch": self.epoch,
            "arms": [asdict(arm) for arm in self.arms],
            "mirrors": [asdict(mirror) for mirror in self.mirrors],
            "sticky_header": self.sticky_header,
            "sticky_field": self.sticky_field,
        }

    @property
    def answering(self) -> frozenset[int]:
        """Versions that must be ready before the table may be used."""
        return frozenset(arm.version for arm in self.arms)


def table_of(route: model_pb2.Route) -> RouteTable:
    """The table of a `Route` event; InvalidInput says what is wrong with it."""
    if not _MODEL.match(route.model):
        raise InvalidInput(f"route of {route.model!r}: not a model name")
    if not route.arms:
        raise InvalidInput(f"route {route.model}/{route.epoch}: no arms")
    arms = tuple(Arm(arm.version, arm.weight) for arm in route.arms)
    mirrors = tuple(Mirror(mirror.version, mirror.fraction) for mirror in route.mirrors)
    _check_weights(route, arms, mirrors)
    return RouteTable(
        model=route.model,
        epoch=route.epoch,
        arms=arms,
        mirrors=mirrors,
        warm=tuple(arm.version for arm in route.warm),
        digests=_digests(route),
        sticky_header=route.sticky_header.lower(),
        sticky_field=route.sticky_field,
    )


def _check_weights(route: model_pb2.Route, arms: Iterable[Arm], mirrors: Iterable[Mirror]) -> None:
    weights = [arm.weight for arm in arms]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) <= 0:
        raise InvalidInput(f"route {route.model}/{route.epoch}: weights {weights} are not shares")
    if not all(0 <= mirror.fraction <= 1 for mirror in mirrors):
        raise InvalidInput(f"route {route.model}/{route.epoch}: a mirror's fraction is not between 0 and 1")
    versions = [arm.version for arm in arms]
    if len(set(versions)) != len(versions):
        raise InvalidInput(f"route {route.model}/{route.epoch}: a version has two arms")


def _digests(route: model_pb2.Route) -> dict[int, str]:
    digests: dict[int, str] = {}
    places: list[model_pb2.Arm | model_pb2.Mirror] = [*route.arms, *route.mirrors, *route.warm]
    for place in places:
        if place.version < 1 or not _DIGEST.match(place.artifact_digest):
            raise InvalidInput(f"route {route.model}/{route.epoch}: version {place.version} has no valid digest")
        if digests.setdefault(place.version, place.artifact_digest) != place.artifact_digest:
            raise InvalidInput(f"route {route.model}/{route.epoch}: version {place.version} has two digests")
    return digests
