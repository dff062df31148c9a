"""Releases on the running stack: candidates let in, or sent back for the right reason, while callers see no error."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from bus_log import BusLog
from gateway_load import eventually, until
from release_world import Users, World, ask, choice, scorer, write_pipeline
from tidemill_contracts import topics
from tidemill_local.stack import Stack
from webhook import SECRET, Receiver, receiving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

PORT_OFFSET = int(os.environ.get("TIDEMILL_TEST_PORT_OFFSET", "2000")) + 1200
PARTS = ("kafka", "postgres", "triton", "registry", "gateway", "monitor")
SETTINGS = {"TIDEMILL_FLUSH_SECONDS": "0.5"}
ROUNDS = 300_000
BY_LABELS = {"metrics": [{"metric": "error_rate", "delta": 0.15}]}
NOT_TIMED = {"guardrails": [{"metric": "errors"}]}
"""How fast a busy machine answers is not what is tested."""
BY_ERRORS = {"metrics": [{"metric": "errors", "delta": 0.05}], "guardrails": []}


def step(share: float, observations: int = 50) -> dict[str, Any]:
    return {"share": share, "observations": observations, "min_time": "2s"}


STEPS = {"strategy": "canary", "steps": [step(0.2), step(0.5)]}
RELEASES: dict[str, dict[str, Any]] = {
    "good": {
        **BY_LABELS,
        **NOT_TIMED,
        "strategy": "shadow",
        "shadow": {"observations": 100, "min_time": "2s", "agreement": 0.5},
        "steps": [step(0.2), step(0.5)],
    },
    "failing": {**BY_LABELS, **STEPS},
    "slow": {**BY_LABELS, **STEPS, "guardrails": [{"metric": "slow", "delta": 0.05}]},
    "worse": {**BY_LABELS, **STEPS, "label_wait": "9s"},
    "split": {**BY_ERRORS, "strategy": "ab", "ab": step(0.5, 100_000)},
    "killed": {**BY_LABELS, **NOT_TIMED, **STEPS, "steps": [step(0.3, 300), step(0.5, 300)]},
    "agreed": {**BY_ERRORS, "strategy": "ab", "ab": step(0.5, 100_000)},
}


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    """A program that is told of rollouts."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[Stack]:
    """The parts that a release needs, with a pipeline for each test."""
    folder = tmp_path_factory.mktemp("releases")
    for model, release in RELEASES.items():
        write_pipeline(folder / "pipelines" / model, model, release)
    told = {"TIDEMILL_ROLLOUT_WEBHOOK": hook.url, "TIDEMILL_ROLLOUT_WEBHOOK_SECRET": SECRET}
    settings = {**SETTINGS, **told}
    stack = Stack(folder / "stack", PORT_OFFSET, pipelines=folder / "pipelines", env=settings)
    try:
        stack.up(PARTS)
        yield stack
    finally:
        stack.down()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with (
        BusLog(stack.bootstrap, [topics.ROLLOUTS, topics.ROUTES]) as log,
        httpx.AsyncClient(timeout=10) as http,
    ):
        yield World(stack, log, http)


async def begin(world: World, model: str) -> None:
    """Version 1 serves."""
    await world.train(model, scorer())
    await world.serves(model, 1)


async def test_a_good_candidate_walks_from_shadow_over_canary_to_champion(world: World, hook: Receiver) -> None:
    await begin(world, "good")
    async with Users(world.stack, world.log, "good") as users:
        await world.train("good", scorer(1.8), "gradient_boosting")
        last = await world.ends("good")
        await world.serves("good", 2)

    moves = await world.moves("good")
    assert [(one.trigger, one.phase, one.share) for one in moves] == [
        ("start", "shadow", 0.0),
        ("advance", "canary", 0.2),
        ("advance", "canary", 0.5),
        ("promote", "promoted", 1.0),
    ]
    assert users.failures == []
    assert users.by_version[2] > 0
    assert last.reason.startswith(("equivalent: error_rate", "better: error_rate"))
    shown = await world.rollout("good")
    assert shown["comparison"]["pairs"] >= 100
    assert shown["comparison"]["agreement"] > 0.9
    assert shown["labelled"] > 0
    await until(lambda: len(hook.of("good")) >= len(moves), "the webhook is told of every move")
    assert all(one.is_signed for one in hook.of("good"))
    assert {one.content["data"]["phase"] for one in hook.of("good")} == {"shadow", "canary", "promoted"}


async def test_a_candidate_that_fails_is_rolled_back_without_labels_and_no_caller_sees_it(world: World) -> None:
    await begin(world, "failing")
    async with Users(world.stack, world.log, "failing") as users:
        await world.train("failing", scorer(breaks=True))
        await world.serves("failing", 1, 2)
        last = await world.ends("failing")
        await world.serves("failing", 1)

    assert (last.trigger, last.phase) == ("roll_back", "rolled_back")
    assert last.reason.startswith("worse: errors differs by +0.")
    assert users.failures == []


async def test_a_candidate_that_is_slow_is_rolled_back_for_that(world: World) -> None:
    await begin(world, "slow")
    async with Users(world.stack, world.log, "slow", callers=4, pause=0.05) as users:
        await world.train("slow", scorer(rounds=ROUNDS))
        last = await world.ends("slow")

    assert (last.trigger, last.phase) == ("roll_back", "rolled_back")
    assert last.reason.startswith("worse: slow differs by +0.")
    assert users.failures == []


async def test_a_candidate_that_is_worse_is_found_out_by_labels_that_come_late(world: World) -> None:
    await begin(world, "worse")
    async with Users(world.stack, world.log, "worse", delay=5.0) as users:
        await world.train("worse", scorer(-2.0))
        last = await world.ends("worse")

    assert (last.trigger, last.phase) == ("roll_back", "rolled_back")
    assert last.reason.startswith("worse: error_rate differs by +0.")
    assert users.failures == []


async def test_a_release_whose_traffic_is_split_otherwise_is_stopped_for_that(world: World) -> None:
    """Nine of ten callers that the candidate would get go away."""
    weights = {1: 0.5, 2: 0.5}

    def stays(user: str) -> bool:
        return choice("split", weights, user) == 1 or user.endswith("0")

    await begin(world, "split")
    async with Users(world.stack, world.log, "split", stays=stays) as users:
        await world.train("split", scorer(1.8))
        last = await world.ends("split")

    assert (last.trigger, last.phase) == ("roll_back", "rolled_back")
    assert last.reason.startswith("traffic is not split as asked")
    assert users.failures == []


async def test_a_canary_goes_on_whatever_is_killed_meanwhile(world: World) -> None:
    stack = world.stack
    await begin(world, "killed")
    gone: list[tuple[float, float]] = []
    async with Users(stack, world.log, "killed") as users:
        await world.train("killed", scorer(1.8))
        await world.serves("killed", 1, 2)
        for service in ("registry", "monitor", "gateway"):
            began = time.monotonic()
            await asyncio.to_thread(stack.kill, service)
            await asyncio.to_thread(stack.start, service)
            if service == "gateway":
                await world.serves("killed", 1, 2)
                gone.append((began, time.monotonic()))
        last = await world.ends("killed", 200)

    moves = await world.moves("killed")
    assert [one.trigger for one in moves] == ["start", "advance", "promote"]
    assert last.phase == "promoted"
    ((down, up),) = gone
    assert [one for one in users.failures if not down <= one.at <= up + 1] == []
    audit = (await world.http.get(f"{stack.http_url('registry')}/v1/audit/verification")).json()
    assert audit == {"intact": True, "first_broken": None}


async def test_two_gateways_give_every_user_the_same_version_and_a_rollback_reaches_both(
    world: World, tmp_path: Path
) -> None:
    stack = world.stack
    await begin(world, "agreed")
    await world.train("agreed", scorer(1.8))
    await world.serves("agreed", 1, 2)
    shared = {
        name: stack.environment("gateway")[name]
        for name in ("TIDEMILL_KAFKA_BOOTSTRAP", "TIDEMILL_DATABASE_URL", "TIDEMILL_ARTIFACTS_URL")
    }
    second = Stack(tmp_path / "second", PORT_OFFSET + 40, pipelines=stack.pipelines, env=shared)
    try:
        await asyncio.to_thread(second.up, ["triton", "gateway"])
        gateways = (stack.http_url("gateway"), second.http_url("gateway"))
        await World(second, world.log, world.http).serves("agreed", 1, 2)
        users = [f"somebody-{number}" for number in range(300)]
        given = [await _versions(world, gateway, users) for gateway in gateways]
        assert given[0] == [choice("agreed", {1: 0.5, 2: 0.5}, user) for user in users]
        assert given[1] == given[0]

        await world.by_hand("agreed", "abort")
        for gateway in gateways:
            await _champion_alone(world, gateway)
    finally:
        await asyncio.to_thread(second.down)


async def _versions(world: World, gateway: str, users: list[str]) -> list[int]:
    return [(await ask(world.http, gateway, "agreed", user, 0.5))[0].version for user in users]


async def _champion_alone(world: World, gateway: str) -> None:
    """Wait until a gateway sends everybody to the champion."""

    async def alone() -> bool:
        route = (await world.http.get(f"{gateway}/v1/routes")).json()["models"]["agreed"]
        return [arm["version"] for arm in route["arms"]] == [1]

    await eventually(alone, "the champion alone serves", 60)
