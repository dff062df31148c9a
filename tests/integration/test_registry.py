"""The registry's decisions on a real PostgreSQL: versions, policy, routes, audit, and its events in the outbox."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import registry_world
from google.protobuf.message import Message
from registry_world import MODEL, OPERATOR, PERSON, api, guarded, pipeline
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tidemill.v1.model_pb2 import ModelApproved, Route
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_registry.api import create_router
from tidemill_registry.decisions import Decisions
from tidemill_registry.repository import Repository
from tidemill_registry.rollouts import Rollouts
from tidemill_registry.settings import RegistrySettings
from tidemill_runtime.database import Database
from tidemill_runtime.errors import Conflict, InvalidInput, NotFound
from tidemill_runtime.events import Event

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
BETTER = {"thresholds": [{"metric": "auc", "at_least": 0.6}], "better_than_serving": {"metric": "log_loss"}}


def trained(
    auc: float = 0.8, log_loss: float = 0.4, *, incumbent: int = 0, incumbent_loss: float = 0.5
) -> Event[ModelTrained]:
    event = registry_world.trained({"auc": auc, "log_loss": log_loss})
    event.data.incumbent.version = incumbent
    event.data.incumbent.test_metrics.update({"log_loss": incumbent_loss})
    event.data.reference.inputs.rows = 1000
    return event


class Registry:
    """The registry under one policy, and what can be seen of it."""

    def __init__(self, database: Database, policy: dict[str, Any]) -> None:
        self.database = database
        pipelines = {MODEL: pipeline(policy=policy, release={"sticky_header": "x-user"})}
        self.decisions = Decisions(database, pipelines, Rollouts(database, pipelines))

    async def on(self, *events: Event[ModelTrained]) -> None:
        for event in events:
            await self.decisions.on_model_trained(event)

    async def versions(self) -> list[tuple[int, str]]:
        async with self.database.transaction() as session:
            rows = await Repository(session).versions(MODEL, 100)
        return [(row.version, row.state) for row in reversed(rows)]

    async def reason(self, version: int) -> str:
        async with self.database.transaction() as session:
            return (await Repository(session).version(MODEL, version)).reason

    async def outbox(self) -> list[tuple[str, Message]]:
        types = {"model-approved": ModelApproved, "routes": Route}
        async with self.database.transaction() as session:
            rows = await (await session.connection()).execute(text("SELECT topic, value FROM outbox ORDER BY id"))
            return [(topic, types[topic].FromString(value)) for topic, value in rows]

    async def route(self) -> tuple[int, int, int | None] | None:
        """Epoch, champion, fallback."""
        async with self.database.transaction() as session:
            route = await Repository(session).route(MODEL)
        return route and (route.epoch, route.champion.version, route.fallback.version if route.fallback else None)

    async def audited(self) -> list[tuple[int, str, str, int]]:
        """Sequence, actor, action, version, the oldest first."""
        async with self.database.transaction() as session:
            rows = await Repository(session).audit_entries(MODEL, 100)
        return [(row.sequence, row.actor, row.action, row.version) for row in reversed(rows)]

    async def first_broken(self) -> int | None:
        async with self.database.transaction() as session:
            return await Repository(session).first_broken_entry()

    async def execute(self, *statements: str) -> None:
        async with self.database.transaction() as session:
            for statement in statements:
                await (await session.connection()).execute(text(statement))


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database, BETTER)


@pytest.fixture
def careful(database: Database) -> Registry:
    """A registry whose policy wants a person."""
    return Registry(database, {"approval": "human"})


async def test_the_first_model_becomes_version_1_and_serves(registry: Registry):
    event = trained()

    await registry.on(event)

    (first, approved), (second, route) = await registry.outbox()
    assert await registry.versions() == [(1, "approved")]
    assert (first, second) == ("model-approved", "routes")
    assert (approved.model, approved.version, approved.approved_by) == (MODEL, 1, "policy")
    assert approved.artifact_digest == event.data.artifact_digest
    assert approved.reference.inputs.rows == 1000
    assert dict(approved.test_metrics) == {"auc": 0.8, "log_loss": 0.4}
    assert [finding.passed for finding in approved.findings] == [True, True]
    assert (route.epoch, [(arm.version, arm.weight) for arm in route.arms], len(route.warm)) == (1, [(1, 1.0)], 0)
    assert route.sticky_header == "x-user"


async def test_the_same_event_twice_gives_one_version(registry: Registry):
    event = trained()

    await registry.on(event, event)

    assert await registry.versions() == [(1, "approved")]
    assert len(await registry.outbox()) == 2
    assert [action for _, _, action, _ in await registry.audited()] == ["approved", "promoted"]


async def test_the_same_event_at_two_replicas_at_once_gives_one_version(registry: Registry):
    event = trained()

    await asyncio.gather(*(registry.on(event) for _ in range(3)))

    assert await registry.versions() == [(1, "approved")]


async def test_a_better_version_takes_over_and_the_one_before_stays_warm(registry: Registry):
    await registry.on(trained(), trained(log_loss=0.3, incumbent=1))

    topic, route = (await registry.outbox())[-1]
    assert await registry.versions() == [(1, "approved"), (2, "approved")]
    assert topic == "routes"
    assert route.epoch == 2
    assert [(arm.version, arm.weight) for arm in route.arms] == [(2, 1.0)]
    assert [(arm.version, arm.weight) for arm in route.warm] == [(1, 0.0)]


async def test_a_version_worse_than_the_serving_one_is_rejected_with_its_reasons(registry: Registry):
    await registry.on(trained(), trained(auc=0.5, log_loss=0.6, incumbent=1))

    assert await registry.versions() == [(1, "approved"), (2, "rejected")]
    assert await registry.reason(2) == (
        "auc 0.5000 is below 0.6; log_loss 0.6000 against 0.5000 of serving version 1 on the same rows: worse by 0.1000"
    )
    assert await registry.route() == (1, 1, None)
    assert len(await registry.outbox()) == 2


async def test_a_version_compared_with_one_that_serves_no_more_is_rejected(registry: Registry):
    await registry.on(trained(), trained(incumbent=1), trained(incumbent=1))

    assert await registry.versions() == [(1, "approved"), (2, "approved"), (3, "rejected")]


async def test_a_metric_that_is_no_number_is_a_rejection_and_not_a_failure(registry: Registry):
    await registry.on(trained(auc=math.nan))

    assert await registry.versions() == [(1, "rejected")]
    assert await registry.reason(1) == "auc was not measured"
    assert await registry.first_broken() is None


@pytest.mark.parametrize(("name", "value"), [("pipeline", "unknown"), ("model", "unknown")])
async def test_an_event_of_an_unknown_pipeline_or_model_is_invalid(registry: Registry, name: str, value: str):
    event = trained()
    setattr(event.data, name, value)

    with pytest.raises(InvalidInput, match="unknown"):
        await registry.on(event)


async def test_concurrent_events_get_distinct_versions_and_one_chain(registry: Registry):
    await asyncio.gather(*(registry.on(trained()) for _ in range(8)))

    assert [version for version, _ in await registry.versions()] == list(range(1, 9))
    assert [sequence for sequence, *_ in await registry.audited()] == list(range(1, 10))
    assert await registry.first_broken() is None
    epochs = [message.epoch for topic, message in await registry.outbox() if topic == "routes"]
    assert epochs == list(range(1, len(epochs) + 1))


async def test_a_version_waits_for_a_person_and_then_serves(careful: Registry):
    await careful.on(trained())
    assert await careful.versions() == [(1, "pending")]
    assert await careful.route() is None
    assert await careful.outbox() == []

    await careful.decisions.approve(MODEL, 1, "ada", "looked at it")

    assert await careful.versions() == [(1, "approved")]
    assert await careful.route() == (1, 1, None)
    (_, approved), _ = await careful.outbox()
    assert (approved.approved_by, approved.reason) == ("ada", "looked at it")
    assert await careful.audited() == [
        (1, "policy", "pending", 1),
        (2, "ada", "approved", 1),
        (3, "rollout", "promoted", 1),
    ]


async def test_what_is_decided_is_not_decided_again(careful: Registry):
    await careful.on(trained(), trained())
    await careful.decisions.approve(MODEL, 1, "ada", "good")
    await careful.decisions.reject(MODEL, 2, "ada", "bad")

    for version in (1, 2):
        with pytest.raises(Conflict, match="not pending"):
            await careful.decisions.approve(MODEL, version, "bob", "me too")
        with pytest.raises(Conflict, match="not pending"):
            await careful.decisions.reject(MODEL, version, "bob", "me neither")
    assert await careful.versions() == [(1, "approved"), (2, "rejected")]
    assert len(await careful.audited()) == 5


async def test_of_two_people_who_decide_at_once_one_is_told_of_the_conflict(careful: Registry):
    await careful.on(trained())

    results = await asyncio.gather(
        careful.decisions.approve(MODEL, 1, "ada", "good"),
        careful.decisions.reject(MODEL, 1, "bob", "bad"),
        return_exceptions=True,
    )

    assert [type(result) for result in results if isinstance(result, Exception)] == [Conflict]
    decided = [action for _, _, action, _ in await careful.audited() if action in ("approved", "rejected")]
    assert len(decided) == 1


async def test_a_version_that_does_not_exist_is_not_found(careful: Registry):
    with pytest.raises(NotFound, match="no version 7 of model 'rides'"):
        await careful.decisions.approve(MODEL, 7, "ada", "good")


async def test_a_rollback_restores_the_version_before_and_is_audited(registry: Registry):
    await registry.on(trained(), trained(incumbent=1), trained(incumbent=2))

    await registry.decisions.roll_back(MODEL, "ada", "too slow")

    assert await registry.versions() == [(1, "approved"), (2, "approved"), (3, "rolled_back")]
    assert await registry.route() == (4, 2, 1)
    assert (await registry.outbox())[-1][1].reason == "too slow"
    assert (await registry.audited())[-1] == (7, "ada", "rolled_back", 3)
    assert await registry.first_broken() is None


async def test_rollbacks_go_back_step_by_step_to_the_first_version(registry: Registry):
    await registry.on(trained(), trained(incumbent=1), trained(incumbent=2))
    await registry.decisions.roll_back(MODEL, "ada", "slow")
    await registry.decisions.roll_back(MODEL, "ada", "slow too")

    assert await registry.route() == (5, 1, None)
    with pytest.raises(Conflict, match="version 1 is the first approved one"):
        await registry.decisions.roll_back(MODEL, "ada", "and this")


async def test_a_rollback_restores_what_served_before_even_if_it_is_a_later_version(careful: Registry):
    await careful.on(trained(), trained(), trained())
    for version in (1, 3, 2):
        await careful.decisions.approve(MODEL, version, "ada", "good")

    await careful.decisions.roll_back(MODEL, "ada", "bad after all")

    assert await careful.route() == (4, 3, 1)


async def test_nothing_can_be_rolled_back_before_something_serves(registry: Registry):
    with pytest.raises(Conflict, match="no version of model 'rides' serves"):
        await registry.decisions.roll_back(MODEL, "ada", "slow")


@pytest.mark.parametrize("statement", ["UPDATE audit SET reason = 'nothing'", "DELETE FROM audit", "TRUNCATE audit"])
async def test_the_database_refuses_to_change_the_audit(registry: Registry, statement: str):
    await registry.on(trained())

    with pytest.raises(DBAPIError, match="the audit is append-only"):
        await registry.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE audit SET reason = 'nothing' WHERE sequence = 2", 2),
        ("UPDATE audit SET details = '{}' WHERE sequence = 2", 2),
        ("UPDATE audit SET actor = 'ada' WHERE sequence = 1", 1),
        ("DELETE FROM audit WHERE sequence = 1", 1),
        ("DELETE FROM audit WHERE sequence = 2", 2),
    ],
)
async def test_what_gets_past_the_database_is_found_in_the_chain(registry: Registry, tampering: str, broken: int):
    await registry.on(trained(), trained(incumbent=1), trained(incumbent=2))
    assert await registry.first_broken() is None

    await registry.execute("ALTER TABLE audit DISABLE TRIGGER audit_is_append_only", tampering)

    assert await registry.first_broken() == broken


async def test_any_number_survives_the_audit(registry: Registry):
    await registry.on(trained(auc=1e22, log_loss=-0.0), trained(auc=5e-324, log_loss=0.1 + 0.2, incumbent=1))

    assert await registry.first_broken() is None


@pytest.fixture
async def client(registry: Registry, settings: RegistrySettings) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP API, its operators known by a token."""

    async with api(create_router(guarded(), registry.database, registry.decisions)) as client:
        yield client


async def test_the_api_shows_who_serves_and_why(client: httpx.AsyncClient, registry: Registry):
    await registry.on(trained(), trained(incumbent=1))

    versions = (await client.get("/models/rides/versions")).json()
    route = (await client.get("/models/rides/routes")).json()
    audit = (await client.get("/audit", params={"model": MODEL, "limit": 1})).json()

    assert [model["name"] for model in (await client.get("/models")).json()] == [MODEL]
    assert [(version["version"], version["state"]) for version in versions] == [(2, "approved"), (1, "approved")]
    assert versions[0]["training"]["lineage"]["data_version"] == "3"
    assert "reference" not in versions[0]
    assert "reference" not in versions[0]["training"]
    assert (await client.get("/models/rides/versions/1")).json()["version"] == 1
    assert (route["champion"], route["fallback"], route["epoch"]) == (2, 1, 2)
    assert [entry["sequence"] for entry in audit] == [4]
    assert (await client.get("/audit/verification")).json() == {"intact": True, "first_broken": None}


@pytest.mark.parametrize("authorization", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é"}])
@pytest.mark.parametrize("path", ["/models/rides:rollback", "/models/rides/versions/1:approve"])
async def test_only_operators_decide(
    client: httpx.AsyncClient, registry: Registry, path: str, authorization: dict[str, str]
):
    await registry.on(trained())
    headers = {name: value.encode() for name, value in authorization.items()}

    assert (await client.post(path, json=PERSON, headers=headers)).status_code == 401
    assert await registry.versions() == [(1, "approved")]


async def test_an_operator_rolls_back_in_one_call(client: httpx.AsyncClient, registry: Registry):
    await registry.on(trained(), trained(incumbent=1))

    answer = await client.post("/models/rides:rollback", json=PERSON, headers=OPERATOR)

    assert answer.status_code == 200
    assert (answer.json()["champion"], answer.json()["reason"]) == (1, "looked at it")


@pytest.mark.parametrize(
    ("method", "path", "json", "status"),
    [
        ("GET", "/models/unknown/versions", None, 404),
        ("GET", "/models/unknown/routes", None, 404),
        ("GET", "/models/rides/versions/9", None, 404),
        ("GET", f"/models/rides/versions/{2**70}", None, 400),
        ("GET", "/models/rides/versions?limit=0", None, 400),
        ("POST", "/models/rides/versions/1:approve", PERSON, 409),
        ("POST", "/models/rides:rollback", PERSON, 409),
        ("POST", "/models/rides:rollback", {"actor": "ada"}, 400),
        ("POST", "/models/rides:rollback", {**PERSON, "actor": ""}, 400),
        ("POST", "/models/rides/versions/1:approve", {**PERSON, "surprise": 1}, 400),
    ],
)
async def test_a_mistake_has_its_status_and_a_text(
    client: httpx.AsyncClient, registry: Registry, method: str, path: str, json: dict[str, str] | None, status: int
):
    await registry.on(trained())

    answer = await client.request(method, path, json=json, headers=OPERATOR)

    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


async def test_a_reason_the_database_cannot_hold_is_the_callers_mistake(client: httpx.AsyncClient, registry: Registry):
    await registry.on(trained(), trained(incumbent=1))

    answer = await client.post("/models/rides:rollback", json={**PERSON, "reason": "nul \x00"}, headers=OPERATOR)

    assert answer.status_code == 400
    assert await registry.route() == (2, 2, 1)
