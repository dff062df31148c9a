"""Which version answers a request: pure, and the same on every replica and after every restart.

An arm is chosen by weighted rendezvous hashing: arm i with weight w_i scores -w_i / ln(u_i), where u_i in (0, 1) is a
hash of (model, arm, key), and the highest score wins. Shares follow the weights, and a change of weights moves only
keys to an arm that grew or away from one that shrank.
Source: C. Schindelhauer, G. Schomaker, "Weighted Distributed Hash Tables", SPAA 2005.
The hash is BLAKE2b with an 8-byte digest over the UTF-8 parts, each ended by a zero byte; its 64 bits, big-endian, plus
one half, over 2^64, are u.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidemill.v1 import model_pb2
from tidemill_runtime.errors import InvalidInput, NotFound

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
    )


def choose(table: RouteTable, key: str) -> Arm:
    """The arm that answers requests with `key`; raises NotFound if every weight is 0."""
    candidates = [arm for arm in table.arms if arm.weight > 0]
    if not candidates:
        raise NotFound(f"model {table.model} takes no traffic now")
    if len(candidates) == 1:
        return candidates[0]
    return max(candidates, key=lambda arm: -arm.weight / math.log(unit(table.model, f"arm {arm.version}", key)))


def mirrors_of(table: RouteTable, key: str, answering: int) -> list[int]:
    """Versions that get a copy of the request with `key`, never the one that answers it."""
    return [
        mirror.version
        for mirror in table.mirrors
        if mirror.version != answering and unit(table.model, f"mirror {mirror.version}", key) < mirror.fraction
    ]


def unit(*parts: str) -> float:
    """A hash of the parts as a number in (0, 1)."""
    joined = b"".join(part.encode("utf-8", "surrogatepass") + b"\0" for part in parts)
    bits = int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), "big")
    return min((bits + 0.5) / 2.0**64, math.nextafter(1.0, 0.0))


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
