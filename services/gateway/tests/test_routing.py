"""Which version answers: shares, stability, least movement."""

import json
import math
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.v1.model_pb2 import Arm as ArmMessage
from tidemill.v1.model_pb2 import Mirror as MirrorMessage
from tidemill.v1.model_pb2 import Route
from tidemill_dataplane import choose, mirrors_of
from tidemill_gateway.domain.routing import Arm, Mirror, RouteTable, table_of
from tidemill_runtime.errors import InvalidInput

DIGEST = "a" * 64
KEYS = [str(uuid.UUID(int=number)) for number in range(4000)]
weights = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=5)


def table(*arms: float, mirrors: tuple[Mirror, ...] = (), model: str = "flights") -> str:
    weighted = tuple(Arm(number + 1, weight) for number, weight in enumerate(arms))
    return json.dumps(RouteTable(model, 1, weighted, mirrors, (), {}).document())


def chosen_by(table: str, keys: Sequence[str]) -> list[int | None]:
    return [choose(table, key) for key in keys]


def route(**changes: object) -> Route:
    return Route(**{"model": "flights", "epoch": 1, "arms": [arm(1, 1.0)], **changes})


def arm(version: int, weight: float, digest: str = DIGEST) -> ArmMessage:
    return ArmMessage(version=version, weight=weight, artifact_digest=digest)


def test_the_choice_is_a_fixed_function_of_the_key() -> None:
    chosen = chosen_by(table(0.5, 0.3, 0.2), KEYS[:12])
    assert chosen == [1, 2, 1, 1, 1, 3, 1, 1, 1, 2, 1, 3]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.6, 0.3, 0.1), (0.99, 0.01)])
def test_shares_follow_the_weights(shares: tuple[float, ...]) -> None:
    chosen = chosen_by(table(*shares), KEYS)
    for number, share in enumerate(shares):
        spread = math.sqrt(share * (1 - share) * len(KEYS))
        assert abs(chosen.count(number + 1) - share * len(KEYS)) < 4 * spread


@given(shares=weights, key=st.text(max_size=40), factor=st.floats(0.1, 10))
def test_only_the_ratio_of_weights_counts(shares: list[float], key: str, factor: float) -> None:
    scaled = [share * factor for share in shares]
    assert choose(table(*shares), key) == choose(table(*scaled), key)


@given(shares=weights, key=st.text(max_size=40), data=st.data())
def test_a_grown_arm_only_gains(shares: list[float], key: str, data: st.DataObject) -> None:
    grown = data.draw(st.integers(0, len(shares) - 1))
    after = [share * 2 if number == grown else share for number, share in enumerate(shares)]
    before_version, after_version = choose(table(*shares), key), choose(table(*after), key)
    assert after_version in (before_version, grown + 1)


@given(shares=weights, key=st.text(max_size=40))
def test_an_arm_without_weight_never_answers_and_moves_nothing(shares: list[float], key: str) -> None:
    assert choose(table(*shares, 0.0), key) == choose(table(*shares), key)


@given(shares=weights, key=st.text(max_size=40))
def test_every_key_has_a_version_of_the_table(shares: list[float], key: str) -> None:
    assert choose(table(*shares), key) in range(1, len(shares) + 1)


def test_no_weight_answers_nothing() -> None:
    assert choose(table(0.0, 0.0), "key") is None


def test_parts_of_a_hash_do_not_run_together() -> None:
    first, eleventh = (table(1.0, mirrors=(Mirror(version, 0.5),)) for version in (1, 11))
    copied = [bool(mirrors_of(first, f"1{key}", 0)) for key in KEYS[:100]]
    assert copied != [bool(mirrors_of(eleventh, key, 0)) for key in KEYS[:100]]


def test_models_choose_independently() -> None:
    one, other = (chosen_by(table(0.5, 0.5, model=model), KEYS) for model in ("flights", "hotels"))
    same = sum(first == second for first, second in zip(one, other, strict=True))
    assert abs(same - len(KEYS) / 2) < 4 * math.sqrt(len(KEYS) / 4)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"model": "flights"}'])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="column"):
        choose(text, "key")
    with pytest.raises(ValueError, match="column"):
        mirrors_of(text, "key", 1)


def test_a_mirror_gets_its_fraction_and_never_what_it_answers_itself() -> None:
    mirrored = table(1.0, mirrors=(Mirror(2, 0.25), Mirror(1, 1.0)))
    copies = [mirrors_of(mirrored, key, 1) for key in KEYS]
    assert all(versions in ([], [2]) for versions in copies)
    assert abs(copies.count([2]) - len(KEYS) / 4) < 4 * math.sqrt(len(KEYS) * 0.25 * 0.75)


@given(key=st.text(max_size=40), answering=st.integers(1, 4))
def test_a_whole_fraction_copies_all_and_none_copies_nothing(key: str, answering: int) -> None:
    mirrored = table(1.0, mirrors=(Mirror(2, 1.0), Mirror(3, 0.0)))
    assert mirrors_of(mirrored, key, answering) == ([] if answering == 2 else [2])


def test_a_route_event_becomes_a_table() -> None:
    event = route(
        arms=[arm(2, 0.75), arm(1, 0.25, "b" * 64)],
        mirrors=[MirrorMessage(version=3, fraction=0.5, artifact_digest="c" * 64)],
        warm=[arm(1, 0, "b" * 64)],
        sticky_header="X-User",
        sticky_field="carrier",
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
        "carrier",
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
