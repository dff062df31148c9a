"""Which version answers: shares, stability, least movement."""

import math
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.v1.model_pb2 import Arm as ArmMessage
from tidemill.v1.model_pb2 import Mirror as MirrorMessage
from tidemill.v1.model_pb2 import Route
from tidemill_gateway.domain.routing import Arm, Mirror, RouteTable, choose, mirrors_of, table_of, unit
from tidemill_runtime.errors import InvalidInput

DIGEST = "a" * 64
KEYS = [str(uuid.UUID(int=number)) for number in range(4000)]
weights = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5)


def table(*arms: float, mirrors: tuple[Mirror, ...] = ()) -> RouteTable:
    return RouteTable(
        "flights", 1, tuple(Arm(number + 1, weight) for number, weight in enumerate(arms)), mirrors, (), {}
    )


def route(**changes: object) -> Route:
    return Route(**{"model": "flights", "epoch": 1, "arms": [arm(1, 1.0)], **changes})


def arm(version: int, weight: float, digest: str = DIGEST) -> ArmMessage:
    return ArmMessage(version=version, weight=weight, artifact_digest=digest)


def test_the_choice_is_a_fixed_function_of_the_key() -> None:
    chosen = [choose(table(0.5, 0.3, 0.2), key).version for key in KEYS[:12]]
    assert chosen == [1, 2, 1, 1, 1, 3, 1, 1, 1, 2, 1, 3]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.6, 0.3, 0.1), (0.99, 0.01)])
def test_shares_follow_the_weights(shares: tuple[float, ...]) -> None:
    chosen = [choose(table(*shares), key).version for key in KEYS]
    for number, share in enumerate(shares):
        spread = math.sqrt(share * (1 - share) * len(KEYS))
        assert abs(chosen.count(number + 1) - share * len(KEYS)) < 4 * spread


@given(shares=weights, key=st.text(max_size=40), factor=st.floats(0.1, 10))
def test_only_the_ratio_of_weights_counts(shares: list[float], key: str, factor: float) -> None:
    scaled = [share * factor for share in shares]
    assert choose(table(*shares), key).version == choose(table(*scaled), key).version


@given(shares=weights, key=st.text(max_size=40), data=st.data())
def test_a_grown_arm_only_gains(shares: list[float], key: str, data: st.DataObject) -> None:
    grown = data.draw(st.integers(0, len(shares) - 1))
    after = [share * 2 if number == grown else share for number, share in enumerate(shares)]
    before_version, after_version = choose(table(*shares), key).version, choose(table(*after), key).version
    assert after_version in (before_version, grown + 1)


@given(shares=weights, key=st.text(max_size=40))
def test_an_arm_without_weight_never_answers_and_moves_nothing(shares: list[float], key: str) -> None:
    assert choose(table(*shares, 0.0), key) == choose(table(*shares), key)


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_hash_is_strictly_between_0_and_1(parts: list[str]) -> None:
    assert 0 < unit(*parts) < 1


def test_parts_of_a_hash_do_not_run_together() -> None:
    assert unit("ab", "c") != unit("a", "bc")


def test_a_mirror_gets_its_fraction_and_never_what_it_answers_itself() -> None:
    mirrored = table(1.0, mirrors=(Mirror(2, 0.25), Mirror(1, 1.0)))
    copies = [mirrors_of(mirrored, key, answering=1) for key in KEYS]
    assert all(versions in ([], [2]) for versions in copies)
    assert abs(copies.count([2]) - len(KEYS) / 4) < 4 * math.sqrt(len(KEYS) * 0.25 * 0.75)


def test_a_route_event_becomes_a_table() -> None:
    event = route(
        arms=[arm(2, 0.75), arm(1, 0.25, "b" * 64)],
        mirrors=[MirrorMessage(version=3, fraction=0.5, artifact_digest="c" * 64)],
        warm=[arm(1, 0, "b" * 64)],
        sticky_header="X-User",
        epoch=7,
    )
    assert table_of(event) == RouteTable(
        "flights",
        7,
        (Arm(2, 0.75), Arm(1, 0.25)),
        (Mirror(3, 0.5),),
        (1,),
        {2: DIGEST, 1: "b" * 64, 3: "c" * 64},
        "x-user",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "../etc"},
        {"model": ""},
        {"arms": []},
        {"arms": [arm(1, -0.1), arm(2, 1)]},
        {"arms": [arm(1, float("nan"))]},
        {"arms": [arm(1, 0)]},
        {"arms": [arm(1, 0.5), arm(1, 0.5)]},
        {"arms": [arm(0, 1)]},
        {"arms": [arm(1, 1, "../../etc/passwd")]},
        {"warm": [arm(1, 0, "b" * 64)]},
        {"mirrors": [MirrorMessage(version=2, fraction=1.5, artifact_digest=DIGEST)]},
    ],
)
def test_a_route_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        table_of(route(**changes))
