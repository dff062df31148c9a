"""What an acknowledgement or a silence mutes, and how people give them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from alarms import alarm
from pydantic import SecretStr
from tidemill.v1.monitoring_pb2 import (
    DRIFT_KIND_INPUT,
    DRIFT_KIND_PERFORMANCE,
    DRIFT_KIND_TRAFFIC,
    SEVERITY_CRITICAL,
    DriftDetected,
    DriftKind,
    DriftResponse,
)
from tidemill_contracts import topics
from tidemill_monitor.responses import ResponseLog, Responses, expires, expiry
from tidemill_monitor.responses_api import create_router
from tidemill_runtime.errors import InvalidInput, NotFound
from tidemill_runtime.events import decode
from tidemill_runtime.http import create_app
from tidemill_runtime.testing import FakeProducer

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TOKEN = "k3Jx9-vQ2mZ7pW"
ANSWER = {"by": "ada", "reason": "the station moved", "expires": "7d"}


@dataclass
class World:
    client: httpx.AsyncClient
    responses: Responses
    producer: FakeProducer
    alarms: dict[str, DriftDetected]
    now: list[datetime] = field(default_factory=lambda: [NOW])

    async def post(self, path: str, **changes: object) -> httpx.Response:
        body = {name: value for name, value in {**ANSWER, **changes}.items() if value is not None}
        return await self.client.post(f"/v1/models/tide/{path}", json=body)

    def mutes(self, alarm: DriftDetected, at: datetime = NOW) -> str | None:
        found = self.responses.mutes(alarm, at)
        return found.id if found else None


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async def readiness() -> dict[str, bool]:
        return {}

    def check(model: str) -> None:
        if model != "tide":
            raise NotFound(f"no pipeline file has the model {model!r}; there are tide")

    now, producer = [NOW], FakeProducer()
    responses = Responses(lambda: now[0])
    alarms = {"a1": alarm("temp", "wind")}
    log = ResponseLog(responses, producer, clock=lambda: now[0])
    app = create_app("test", readiness)
    app.include_router(create_router(SecretStr(TOKEN), responses, log, lambda _, one: alarms.get(one), check))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://monitor", headers=headers) as client:
        yield World(client, responses, producer, alarms, now)


async def test_an_acknowledged_alarm_is_not_told_again_until_it_expires(world: World):
    answer = await world.post("drift/a1/acknowledge")

    assert answer.status_code == 201
    assert world.mutes(alarm("wind", "temp")) == answer.json()["id"]
    assert world.mutes(alarm("wind"), NOW + timedelta(days=7) - timedelta(seconds=1)) == answer.json()["id"]
    assert world.mutes(alarm("wind"), NOW + timedelta(days=7)) is None


@pytest.mark.parametrize(
    "other",
    [
        alarm("temp", "wind", "rain"),
        alarm("rain"),
        alarm("temp", kind=DRIFT_KIND_PERFORMANCE),
        alarm("temp", slice_="origin=JFK"),
    ],
    ids=["more subjects", "another subject", "another kind", "another slice"],
)
async def test_what_an_acknowledgement_does_not_know_is_told(world: World, other: DriftDetected):
    await world.post("drift/a1/acknowledge")

    assert world.mutes(other) is None


async def test_an_alarm_more_severe_than_the_acknowledged_one_is_told(world: World):
    await world.post("drift/a1/acknowledge")
    other = alarm("temp", "wind")
    assert world.mutes(other)
    other.severity = SEVERITY_CRITICAL

    assert world.mutes(other) is None


async def test_an_alarm_of_another_model_is_not_muted(world: World):
    await world.post("silences")
    other = alarm("temp")
    other.model = "moon"

    assert world.mutes(other) is None


async def test_an_alarm_acknowledged_twice_has_one_acknowledgement_the_newest(world: World):
    first = (await world.post("drift/a1/acknowledge")).json()
    second = (await world.post("drift/a1/acknowledge", expires="1d", by="grace")).json()

    assert first["id"] == second["id"]
    held = (await world.client.get("/v1/models/tide/silences")).json()["acknowledgements"]
    assert [one["by"] for one in held] == ["grace"]


@pytest.mark.parametrize(
    ("wanted", "muted", "told"),
    [
        ({}, [alarm("temp"), alarm("x", kind=DRIFT_KIND_TRAFFIC)], []),
        ({"kind": "input"}, [alarm("temp", "wind")], [alarm("temp", kind=DRIFT_KIND_PERFORMANCE)]),
        ({"subject": "temp"}, [alarm("temp"), alarm("temp", kind=DRIFT_KIND_TRAFFIC)], [alarm("temp", "wind")]),
        ({"kind": "input", "subject": "temp"}, [alarm("temp")], [alarm("temp", kind=DRIFT_KIND_TRAFFIC)]),
    ],
    ids=["anything", "a kind", "a subject", "a subject of a kind"],
)
async def test_a_silence_mutes_what_it_names(
    world: World, wanted: dict[str, str], muted: list[DriftDetected], told: list[DriftDetected]
):
    silence = (await world.post("silences", **wanted)).json()

    assert [world.mutes(one) for one in muted] == [silence["id"]] * len(muted)
    assert [world.mutes(one) for one in told] == [None] * len(told)


async def test_silences_in_force_are_listed_until_they_expire(world: World):
    await world.post("silences", expires="2d")
    await world.post("silences", kind="input", subject="temp", expires="1d")

    listed = (await world.client.get("/v1/models/tide/silences")).json()["silences"]
    assert [one["expires"] for one in listed] == ["2026-03-03T12:00:00Z", "2026-03-04T12:00:00Z"]
    assert listed[0]["silenced"] == {"kind": "DRIFT_KIND_INPUT", "subject": "temp"}
    assert (listed[0]["by"], listed[0]["reason"]) == ("ada", "the station moved")
    world.now[0] = NOW + timedelta(hours=36)
    assert len((await world.client.get("/v1/models/tide/silences")).json()["silences"]) == 1


async def test_a_silence_can_be_taken_back(world: World):
    silence = (await world.post("silences")).json()

    assert (await world.client.delete(f"/v1/models/tide/silences/{silence['id']}")).status_code == 200
    assert world.mutes(alarm("temp")) is None
    assert (await world.client.delete(f"/v1/models/tide/silences/{silence['id']}")).status_code == 404


async def test_another_process_knows_the_same_from_the_topic(world: World):
    kept = (await world.post("silences", kind="input")).json()
    ended = (await world.post("silences")).json()
    await world.client.delete(f"/v1/models/tide/silences/{ended['id']}")

    other = Responses(lambda: NOW)
    for sent in world.producer.sent:
        assert sent.topic == topics.DRIFT_RESPONSES
        await other.on_response(decode(sent.value, sent.headers, DriftResponse, position="r/0/0", key=sent.key))

    assert [one.id for one in other.in_force("tide", NOW)] == [kept["id"]]


async def test_nothing_holds_that_is_not_safe(world: World):
    world.producer.available = False

    assert (await world.post("silences")).status_code == 503
    assert world.mutes(alarm("temp")) is None


@pytest.mark.parametrize("path", ["drift/a1/acknowledge", "silences"])
@pytest.mark.parametrize(
    "changes",
    [
        {"by": ""},
        {"by": None},
        {"reason": ""},
        {"reason": None},
        {"reason": "x" * 2001},
        {"expires": None},
        {"expires": "31d"},
        {"expires": "0s"},
        {"expires": "soon"},
        {"expires": "999999999d"},
        {"expires": "2026-03-03T12:00:00"},
        {"expires": "2026-03-01T12:00:00Z"},
        {"surprise": 1},
    ],
    ids=str,
)
async def test_a_response_needs_a_name_a_reason_and_an_end(world: World, path: str, changes: dict[str, object]):
    answer = await world.post(path, **changes)

    assert answer.status_code == 400
    assert next(iter(changes)) in answer.json()["error"]
    assert world.producer.sent == []


@pytest.mark.parametrize("changes", [{"kind": "mood"}, {"subject": ""}, {"subject": "x" * 201}], ids=str)
async def test_a_silence_names_what_exists(world: World, changes: dict[str, object]):
    assert (await world.post("silences", **changes)).status_code == 400


async def test_every_kind_of_alarm_can_be_silenced(world: World):
    for name, number in DriftKind.items():
        if number:
            answer = await world.post("silences", kind=name.removeprefix("DRIFT_KIND_").lower())
            assert answer.json()["silenced"] == {"kind": name}


async def test_what_does_not_exist_is_not_found(world: World):
    assert (await world.post("drift/nothing/acknowledge")).status_code == 404
    for path in ("silences", "drift/a1/acknowledge"):
        assert (await world.client.post(f"/v1/models/moon/{path}", json=ANSWER)).status_code == 404
    assert (await world.client.get("/v1/models/moon/silences")).status_code == 404


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", TOKEN])
async def test_only_operators_respond_and_everyone_reads(world: World, authorization: str):
    world.client.headers["Authorization"] = authorization

    assert (await world.post("silences")).status_code == 401
    assert (await world.post("drift/a1/acknowledge")).status_code == 401
    assert (await world.client.delete("/v1/models/tide/silences/x")).status_code == 401
    assert (await world.client.get("/v1/models/tide/silences")).status_code == 200


async def test_responses_of_a_model_are_capped(world: World):
    for number in range(1000):
        response = DriftResponse(id=str(number), model="tide")
        response.expires.FromDatetime(NOW + timedelta(days=1))
        world.responses.keep(response)

    answer = await world.post("silences")

    assert answer.status_code == 409
    assert "take some back first" in json.loads(answer.text)["error"]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("90s", NOW + timedelta(seconds=90)),
        ("2026-03-02T13:00:00Z", NOW + timedelta(hours=1)),
        ("2026-03-02T14:00:00+01:00", NOW + timedelta(hours=1)),
    ],
)
def test_an_expiry_is_a_duration_or_a_time(text: str, end: datetime):
    assert expiry(text, NOW) == end


@pytest.mark.parametrize("text", ["", "30", "-1d", "2026-04-02", "tomorrow"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(InvalidInput, match="expires: "):
        expiry(text, NOW)


def test_a_response_of_no_known_sort_mutes_nothing():
    responses = Responses(lambda: NOW)
    response = DriftResponse(id="r", model="tide")
    response.expires.FromDatetime(NOW + timedelta(days=1))
    responses.keep(response)

    assert expires(response) == NOW + timedelta(days=1)
    assert responses.mutes(alarm("temp", kind=DRIFT_KIND_INPUT), NOW) is None
