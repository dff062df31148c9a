"""Rollouts on a real PostgreSQL: stages, evidence, turns, freezes and hands, each move whole or not at all."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from registry_world import MODEL, OPERATOR, PERSON, api, guarded, pipeline, trained
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tidemill.v1.model_pb2 import ModelApproved, RolloutChanged, Route
from tidemill.v1.monitoring_pb2 import RolloutEvidence
from tidemill_registry.api import create_router
from tidemill_registry.decisions import Decisions
from tidemill_registry.domain.rollout import Trigger
from tidemill_registry.repository import Repository
from tidemill_registry.rollout_api import create_rollout_router
from tidemill_registry.rollouts import Rollouts
from tidemill_registry.settings import RegistrySettings
from tidemill_runtime.database import Database
from tidemill_runtime.errors import Conflict
from tidemill_runtime.events import Event, new_event

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
MINUTE = 60_000_000
STEPS = [
    {"share": 0.1, "observations": 100, "min_time": "0s"},
    {"share": 0.5, "observations": 100, "min_time": "0s"},
]
CANARY = {"strategy": "canary", "metrics": [{"metric": "errors", "delta": 0.1}], "guardrails": [], "steps": STEPS}
NEVER = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}]


class Releasing:
    """The registry with one release plan, and what can be seen of it."""

    def __init__(self, database: Database, release: dict[str, Any]) -> None:
        self.database = database
        self.restart(release)
        self.panes = 0

    def restart(self, release: dict[str, Any]) -> None:
        """The process again: nothing is kept but what is in the database."""
        pipelines = {MODEL: pipeline(release=release, label={"name": "late", "delay": "0s", "classes": 2})}
        self.rollouts = Rollouts(self.database, pipelines)
        self.decisions = Decisions(self.database, pipelines, self.rollouts)

    async def train(self, *algorithms: str) -> None:
        for algorithm in algorithms or ("constant",):
            await self.decisions.on_model_trained(trained({"auc": 0.8}, algorithm))

    def pane(self, version: int, errors: int = 0, rows: int = 1000, *, share: float = 0.1) -> Event[RolloutEvidence]:
        """A minute in which a candidate got its share of `rows`, and as many `errors`; the champion had none."""
        self.panes += 1
        told = RolloutEvidence(model=MODEL, start=self.panes * MINUTE, length=MINUTE, sequence=self.panes)
        told.complete_until = told.start + MINUTE
        for number, count, failed in ((1, round(rows * (1 - share)), 0), (version, round(rows * share), errors)):
            arm = told.arms.add(version=number, predictions=count)
            arm.epochs.add(epoch=1_000_000, predictions=count, errors=failed)
        return new_event("monitor", MODEL, told)

    async def hear(self, *events: Event[RolloutEvidence]) -> None:
        for event in events:
            await self.rollouts.on_evidence(event)

    async def sent(self, topic: str, kind: Any) -> list[Any]:
        async with self.database.transaction() as session:
            query = text("SELECT value FROM outbox WHERE topic = :topic ORDER BY id")
            rows = await (await session.connection()).execute(query, {"topic": topic})
            return [kind.FromString(value) for (value,) in rows]

    async def route(self) -> tuple[int, dict[int, float], dict[int, float], list[int]]:
        """Epoch, weights, mirrors and warm versions of the newest route event."""
        route = (await self.sent("routes", Route))[-1]
        weights = {arm.version: round(arm.weight, 6) for arm in route.arms}
        return route.epoch, weights, {m.version: m.fraction for m in route.mirrors}, [a.version for a in route.warm]

    async def phases(self) -> dict[int, str]:
        async with self.database.transaction() as session:
            return {row.version: row.phase for row in await Repository(session).rollouts(MODEL, 100)}

    async def states(self) -> dict[int, str]:
        async with self.database.transaction() as session:
            return {row.version: row.state for row in await Repository(session).versions(MODEL, 100)}

    async def actions(self, version: int) -> list[str]:
        async with self.database.transaction() as session:
            return [row.action for row in await Repository(session).history(MODEL, version)]

    async def first_broken(self) -> int | None:
        async with self.database.transaction() as session:
            return await Repository(session).first_broken_entry()


@pytest.fixture
def canary(database: Database) -> Releasing:
    return Releasing(database, CANARY)


async def test_the_first_version_serves_at_once_whatever_the_strategy(canary: Releasing):
    await canary.train()

    assert await canary.phases() == {}
    assert await canary.route() == (1, {1: 1.0}, {}, [])


async def test_a_second_version_starts_with_the_share_of_the_first_step(canary: Releasing):
    await canary.train("constant", "constant")

    approved = (await canary.sent("model-approved", ModelApproved))[-1]
    assert await canary.phases() == {2: "canary"}
    assert await canary.route() == (2, {1: 0.9, 2: 0.1}, {}, [])
    assert (approved.release_strategy, approved.release_share) == (3, 0.1)
    assert await canary.actions(2) == ["approved", "release_started"]


async def test_evidence_walks_a_good_candidate_through_its_steps_and_every_move_is_told(canary: Releasing):
    await canary.train("constant", "constant")
    for share in (0.1, 0.5, 0.5, 0.5):
        await canary.hear(canary.pane(2, share=share))

    moves = await canary.sent("rollouts", RolloutChanged)
    assert await canary.route() == (4, {2: 1.0}, {}, [1])
    assert await canary.phases() == {2: "promoted"}
    assert [(move.trigger, move.phase, move.share, move.epoch) for move in moves] == [
        ("start", "canary", 0.1, 2),
        ("advance", "canary", 0.5, 3),
        ("promote", "promoted", 1.0, 4),
    ]
    assert await canary.actions(2) == ["approved", "release_started", "release_advanced", "promoted"]
    assert await canary.first_broken() is None


async def test_errors_roll_back_at_once_and_the_reason_has_the_numbers(canary: Releasing):
    await canary.train("constant", "constant")
    await canary.hear(canary.pane(2, errors=40), canary.pane(2, errors=40), canary.pane(2, errors=40))

    moves = await canary.sent("rollouts", RolloutChanged)
    assert await canary.route() == (3, {1: 1.0}, {}, [])
    assert await canary.states() == {1: "approved", 2: "rolled_back"}
    assert moves[-1].trigger == "roll_back"
    assert moves[-1].reason.startswith("worse: errors differs by +0.4")


async def test_the_same_evidence_twice_or_older_changes_nothing(canary: Releasing):
    await canary.train("constant", "constant")
    first = canary.pane(2, rows=500)
    newer = new_event("monitor", MODEL, RolloutEvidence())
    newer.data.CopyFrom(first.data)
    newer.data.sequence += 1
    await canary.hear(newer, newer, first)

    async with canary.database.transaction() as session:
        row = await Repository(session).rollout(MODEL, 2)
    assert row.progress["predictions"] == 50


async def test_evidence_of_no_rollout_is_dropped(canary: Releasing):
    await canary.train()
    await canary.hear(canary.pane(2))

    assert await canary.route() == (1, {1: 1.0}, {}, [])


async def test_a_restarted_registry_goes_on_where_it_was(canary: Releasing):
    await canary.train("constant", "constant")
    await canary.hear(canary.pane(2))
    canary.restart(CANARY)
    await canary.hear(canary.pane(2, share=0.5))
    canary.restart(CANARY)
    await canary.hear(canary.pane(2, share=0.5), canary.pane(2, share=0.5))

    assert await canary.phases() == {2: "promoted"}


async def test_shadow_comes_first_and_gets_copies_alone(database: Database):
    shadow = {"observations": 100, "min_time": "0s", "fraction": 0.5}
    releasing = Releasing(database, {**CANARY, "strategy": "shadow", "shadow": shadow})
    await releasing.train("constant", "constant")
    assert await releasing.route() == (2, {1: 1.0}, {2: 0.5}, [])

    await releasing.hear(releasing.pane(2))

    assert await releasing.phases() == {2: "canary"}
    assert await releasing.route() == (3, {1: 0.9, 2: 0.1}, {}, [])


@pytest.mark.parametrize(("algorithm", "phase"), [("constant", "canary"), ("another", "shadow")])
async def test_auto_picks_the_strategy_by_the_risk_of_the_change(database: Database, algorithm: str, phase: str):
    releasing = Releasing(database, {**CANARY, "strategy": "auto"})
    await releasing.train("constant", algorithm)

    assert await releasing.phases() == {2: phase}


async def test_a_newer_version_waits_for_its_turn_and_the_newest_is_next(canary: Releasing):
    await canary.train("constant", "constant", "constant", "constant")
    assert await canary.phases() == {2: "canary", 3: "superseded", 4: "pending"}

    await canary.rollouts.by_hand(MODEL, Trigger.ABORT, "ada", "enough")

    assert await canary.phases() == {2: "rolled_back", 3: "superseded", 4: "canary"}
    assert await canary.states() == {1: "approved", 2: "rolled_back", 3: "superseded", 4: "approved"}
    assert await canary.route() == (4, {1: 0.9, 4: 0.1}, {}, [])


async def test_a_newer_version_replaces_the_one_under_way_where_that_is_declared(database: Database):
    releasing = Releasing(database, {**CANARY, "newer": "replace"})
    await releasing.train("constant", "constant", "constant")

    assert await releasing.phases() == {2: "superseded", 3: "canary"}
    assert await releasing.route() == (4, {1: 0.9, 3: 0.1}, {}, [])


async def test_a_freeze_keeps_a_release_waiting_until_it_ends(database: Database):
    releasing = Releasing(database, {**CANARY, "freeze": NEVER})
    await releasing.train("constant", "constant")
    await releasing.rollouts.tick()
    assert await releasing.phases() == {2: "pending"}

    async with database.transaction() as session:
        row = await Repository(session).rollout(MODEL, 2)
        row.plan = {**row.plan, "release": {**row.plan["release"], "freeze": []}}
        session.add(row)
    await releasing.rollouts.tick()

    assert await releasing.phases() == {2: "canary"}


async def test_what_is_held_goes_on_by_hand_alone_and_is_still_guarded(canary: Releasing):
    await canary.train("constant", "constant")
    await canary.rollouts.by_hand(MODEL, Trigger.HOLD, "ada", "demo day")
    await canary.hear(canary.pane(2), canary.pane(2))
    assert await canary.route() == (2, {1: 0.9, 2: 0.1}, {}, [])
    await canary.rollouts.by_hand(MODEL, Trigger.RESUME, "ada", "over")
    await canary.rollouts.tick()
    assert await canary.route() == (3, {1: 0.5, 2: 0.5}, {}, [])
    await canary.rollouts.by_hand(MODEL, Trigger.HOLD, "ada", "again")

    await canary.hear(*(canary.pane(2, errors=200, share=0.5) for _ in range(3)))

    assert await canary.phases() == {2: "rolled_back"}


async def test_a_rollback_of_the_champion_ends_the_release_against_it(canary: Releasing):
    await canary.train("constant", "constant")
    await canary.rollouts.by_hand(MODEL, Trigger.PROMOTE, "ada", "sure")
    await canary.train()
    assert await canary.phases() == {2: "promoted", 3: "canary"}

    await canary.decisions.roll_back(MODEL, "ada", "version 2 is bad")

    assert await canary.phases() == {2: "promoted", 3: "superseded"}
    assert (await canary.route())[1:] == ({1: 1.0}, {}, [])


async def test_a_promoted_version_is_rolled_back_to_the_one_kept_warm(canary: Releasing):
    await canary.train("constant", "constant")
    await canary.rollouts.by_hand(MODEL, Trigger.PROMOTE, "ada", "sure")
    assert await canary.route() == (3, {2: 1.0}, {}, [1])

    await canary.decisions.roll_back(MODEL, "ada", "not so sure")

    assert await canary.route() == (4, {1: 1.0}, {}, [])


async def test_the_database_holds_one_rollout_under_way_for_a_model(canary: Releasing):
    await canary.train("constant", "constant", "constant")

    with pytest.raises(DBAPIError, match="one_running_rollout"):
        async with canary.database.transaction() as session:
            await (await session.connection()).execute(text("UPDATE rollouts SET phase = 'canary'"))


async def test_a_rollout_that_is_not_there_cannot_be_moved(canary: Releasing):
    await canary.train()

    with pytest.raises(Conflict, match="no rollout under way"):
        await canary.rollouts.by_hand(MODEL, Trigger.ABORT, "ada", "why not")


@pytest.fixture
async def client(canary: Releasing, settings: RegistrySettings) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP API, its operators known by a token."""

    decisions = create_router(guarded(), canary.database, canary.decisions)
    async with api(decisions, create_rollout_router(guarded(), canary.database, canary.rollouts)) as client:
        yield client


async def test_the_api_shows_evidence_and_what_is_awaited(client: httpx.AsyncClient, canary: Releasing):
    await canary.train("constant", "constant")
    await canary.hear(canary.pane(2, rows=500))

    shown = (await client.get("/models/rides/rollout")).json()
    history = (await client.get("/models/rides/versions/2/history")).json()

    (errors,) = shown["evidence"]
    assert (shown["phase"], shown["share"], shown["risk"]) == ("canary", 0.1, "low")
    assert (errors["metric"], errors["candidate_rows"], errors["champion_rows"]) == ("errors", 50, 450)
    assert shown["awaits"] == ["50 more predictions of the candidate"]
    assert [entry["action"] for entry in history] == ["approved", "release_started"]
    assert [row["version"] for row in (await client.get("/rollouts")).json()] == [2]


async def test_an_operator_moves_a_rollout_in_one_call(client: httpx.AsyncClient, canary: Releasing):
    await canary.train("constant", "constant")

    assert (await client.post("/models/rides/rollout:promote", json=PERSON)).status_code == 401
    answer = await client.post("/models/rides/rollout:promote", json=PERSON, headers=OPERATOR)
    again = await client.post("/models/rides/rollout:abort", json=PERSON, headers=OPERATOR)

    assert (answer.status_code, answer.json()["phase"]) == (200, "promoted")
    assert again.status_code == 409
    assert await canary.route() == (3, {2: 1.0}, {}, [1])


async def test_the_api_computes_the_metrics_of_delivery(client: httpx.AsyncClient, canary: Releasing):
    await canary.train("constant", "constant")
    await canary.hear(*(canary.pane(2, errors=40) for _ in range(3)))

    delivery = (await client.get("/delivery", params={"model": MODEL, "days": 1})).json()

    assert (delivery["deployments"], delivery["changes"], delivery["failures"]) == (1, 2, 1)
    assert delivery["change_failure_rate"] == 0.5
    assert 0 <= delivery["time_to_restore_seconds"] < 60
