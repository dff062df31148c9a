"""Claims queued runs and carries them through: data to candidates to artifact to `model-trained`."""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_contracts import topics
from tidemill_contracts.manifest import MAX_MANIFEST_BYTES, MODEL_FILE, Manifest
from tidemill_contracts.pipeline import PipelineFile
from tidemill_runtime import failpoints, logs, tracing
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import backoff
from tidemill_runtime.database import Database
from tidemill_runtime.errors import TidemillError, Unavailable
from tidemill_runtime.events import derived_id, new_event
from tidemill_runtime.outbox import enqueue

from tidemill_trainer import metrics, repository
from tidemill_trainer.adapters.child import ChildFailed, run_child
from tidemill_trainer.settings import TrainerSettings
from tidemill_trainer.tables import ChampionRow, RunRow
from tidemill_trainer.training import spec as names
from tidemill_trainer.training.spec import Champion, RunSpec

MAX_ATTEMPTS = 3

log = logs.get_logger(__name__)


class RunFailed(Exception):
    """The run cannot succeed; repeating it changes nothing."""


class RunWorker:
    """The loop of one trainer: one run at a time."""

    def __init__(
        self,
        settings: TrainerSettings,
        database: Database,
        artifacts: ArtifactStore,
        pipelines: Mapping[str, PipelineFile],
    ) -> None:
        self._settings = settings
        self._database = database
        self._artifacts = artifacts
        self._pipelines = pipelines
        self._lease = timedelta(seconds=settings.trainer_lease_seconds)

    async def work(self) -> None:
        """Look for runs until cancelled; a run in hand is then given back."""
        attempt = 0
        while True:
            try:
                done = await self.step()
                attempt = 0
            except Unavailable as error:
                attempt += 1
                done = False
                log.warning("trainer waits", error=str(error))
                await asyncio.sleep(backoff(attempt, 0.2))
            if not done:
                await asyncio.sleep(self._settings.trainer_poll_seconds)

    async def step(self) -> bool:
        """Carry one run through; False if there is none."""
        async with self._database.transaction() as session:
            run = await repository.claim(session, self._lease)
        if run is None:
            return False
        began = time.perf_counter()
        renewing = asyncio.create_task(self._renew(run))
        try:
            with (
                tempfile.TemporaryDirectory(prefix="tidemill-run-", ignore_cleanup_errors=True) as directory,
                tracing.span("training run", run.traceparent),
            ):
                await self._carry_through(run, Path(directory))
        except (asyncio.CancelledError, Unavailable):
            await self._give_back(run)
            raise
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
        metrics.RUN_SECONDS.labels(run.pipeline).observe(time.perf_counter() - began)
        return True

    async def _carry_through(self, run: RunRow, directory: Path) -> None:
        log.info("run started", run=run.id, pipeline=run.pipeline, reason=run.reason, attempt=run.attempts)
        failpoints.hit("trainer.before-run")
        try:
            spec = await self._spec(run, directory)
            await self._train(spec)
            event = ModelTrained.FromString((directory / names.RESULT).read_bytes())
            await self._store(directory)
        except RunFailed as error:
            await self._fail(run, directory, str(error))
            return
        failpoints.hit("trainer.after-artifacts")
        await self._succeed(run, event, await self._store_report(directory))
        failpoints.hit("trainer.after-commit")

    async def _spec(self, run: RunRow, directory: Path) -> RunSpec:
        if run.attempts > MAX_ATTEMPTS:
            raise RunFailed(f"its trainer died {MAX_ATTEMPTS} times during the run")
        pipeline = self._pipelines.get(run.pipeline)
        if pipeline is None:
            raise RunFailed(f"no pipeline {run.pipeline!r} any more")
        if run.data is None:
            raise RunFailed("no data version has arrived yet")
        return RunSpec(
            run_id=run.id,
            pipeline_file=pipeline.path.resolve(),
            directory=directory,
            lake_url=self._settings.lake_url,
            table=run.data["table"],
            table_version=run.data["table_version"],
            data_version=run.data["version"],
            data_digest=run.data["digest"],
            cause=run.cause,
            cause_event_id=run.cause_event_id,
            champion=await self._champion(pipeline.model, directory),
            code_commit=self._settings.code_commit,
            image=self._settings.image,
            parallel=self._settings.trainer_parallel,
            memory_bytes=self._settings.trainer_memory_bytes,
        )

    async def _champion(self, model: str, directory: Path) -> Champion | None:
        async with self._database.transaction() as session:
            row = await session.get(ChampionRow, model)
        if row is None:
            return None
        try:
            stored = await self._artifacts.get(row.artifact_digest, MAX_MANIFEST_BYTES)
            manifest = Manifest.model_validate_json(stored)
            content = await self._artifacts.get(manifest.files[MODEL_FILE])
        except Unavailable:
            raise
        except (TidemillError, ValidationError) as error:
            raise RunFailed(f"serving version {row.version} cannot be compared: {error}") from error
        path = directory / "champion.onnx"
        path.write_bytes(content)
        until = datetime.fromisoformat(manifest.lineage["trained_until"]).astimezone(UTC)
        return Champion(version=row.version, model=path, trained_until=until)

    async def _train(self, spec: RunSpec) -> None:
        file = spec.directory / "spec.json"
        file.write_text(spec.model_dump_json(), encoding="utf-8")
        arguments = ["-m", "tidemill_trainer.run", str(file)]
        try:
            await run_child(arguments, spec.directory / "output.log", self._settings.trainer_run_seconds)
        except ChildFailed as error:
            said = spec.directory / names.ERROR
            raise RunFailed(said.read_text(encoding="utf-8") if said.exists() else str(error)) from error

    async def _store(self, directory: Path) -> None:
        for file in sorted((directory / names.ARTIFACTS).iterdir()):
            await self._artifacts.put(file.read_bytes())

    async def _store_report(self, directory: Path) -> str | None:
        report = directory / names.REPORT
        return await self._artifacts.put(report.read_bytes()) if report.exists() else None

    async def _succeed(self, run: RunRow, event: ModelTrained, report: str | None) -> None:
        announced = new_event("trainer", run.pipeline, event, id=derived_id("model-trained", run.id))
        async with self._database.transaction() as session:
            mine = await repository.end(
                session, run, "succeeded", artifact_digest=event.artifact_digest, report_digest=report
            )
            if not mine:
                log.warning("another trainer took the run over", run=run.id)
                return
            await enqueue(session, topics.MODEL_TRAINED, announced)
        for candidate in event.candidates:
            metrics.CANDIDATE_SECONDS.labels(run.pipeline, candidate.name).observe(candidate.training_seconds)
        metrics.RUNS.labels(run.pipeline, "succeeded").inc()
        log.info("run succeeded", run=run.id, winner=event.winner.name, artifact=event.artifact_digest)

    async def _fail(self, run: RunRow, directory: Path, error: str) -> None:
        report = await self._store_report(directory)
        async with self._database.transaction() as session:
            await repository.end(session, run, "failed", error=error, report_digest=report)
        metrics.RUNS.labels(run.pipeline, "failed").inc()
        log.error("run failed", run=run.id, error=error)

    async def _give_back(self, run: RunRow) -> None:
        with suppress(Unavailable):
            async with self._database.transaction() as session:
                await repository.release(session, run)
            log.info("run given back", run=run.id)

    async def _renew(self, run: RunRow) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                async with self._database.transaction() as session:
                    await repository.renew(session, run, self._lease)
            except Unavailable as error:
                log.warning("lease not renewed", run=run.id, error=str(error))
