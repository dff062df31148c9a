"""Brings one version into the model server: fetch, verify, write, load, prove."""

import asyncio
import time

from tidemill_contracts.manifest import (
    GOLDEN_FILE,
    MAX_GOLDEN_BYTES,
    MAX_MANIFEST_BYTES,
    MAX_MODEL_BYTES,
    MODEL_FILE,
    Golden,
    Manifest,
)
from tidemill_runtime import failpoints, logs
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.errors import CorruptArtifact

from tidemill_gateway import metrics
from tidemill_gateway.adapters.repository import ModelRepository
from tidemill_gateway.domain import onnx
from tidemill_gateway.domain.golden import difference, golden_inputs
from tidemill_gateway.domain.manifest import parse
from tidemill_gateway.model_server import ModelServer
from tidemill_gateway.serving import ServedVersion, server_name

log = logs.get_logger(__name__)


class Loader:
    """Loads and unloads versions; `seconds` bounds each of the server's steps."""

    def __init__(
        self,
        server: ModelServer,
        artifacts: ArtifactStore,
        repository: ModelRepository,
        *,
        max_rows: int,
        seconds: float,
    ) -> None:
        self._server = server
        self._artifacts = artifacts
        self._repository = repository
        self._max_rows = max_rows
        self._seconds = seconds

    async def load(self, model: str, version: int, digest: str) -> ServedVersion:
        """The version, ready and proven in the running server; raises what kept it from that."""
        began = time.monotonic()
        try:
            served = await self._load(model, version, digest)
        except Exception:
            metrics.LOADS.labels(model, "failed").inc()
            raise
        metrics.LOADS.labels(model, "ready").inc()
        metrics.LOAD_SECONDS.labels(model).observe(time.monotonic() - began)
        log.info("version ready", model=model, version=version, seconds=round(time.monotonic() - began, 3))
        return served

    async def is_ready(self, served: ServedVersion) -> bool:
        """Whether the server still has the version."""
        return await self._server.is_ready(served.server_name)

    async def unload(self, model: str, version: int) -> None:
        """Take a version out of the server and out of its repository."""
        name = server_name(model, version)
        await self._server.unload(name, self._seconds)
        await asyncio.to_thread(self._repository.remove, name)
        log.info("version unloaded", model=model, version=version)

    def clean(self) -> None:
        """Remove what an interrupted loading left in the repository."""
        self._repository.sweep()

    def left_over(self, model: str) -> list[int]:
        """Versions of `model` in the server's repository."""
        return self._repository.versions(model)

    async def _load(self, model: str, version: int, digest: str) -> ServedVersion:
        contents = parse(Manifest, await self._artifacts.get(digest, MAX_MANIFEST_BYTES), digest)
        if contents.model != model:
            raise CorruptArtifact(f"artifact {digest} is of model {contents.model!r}, not {model!r}")
        onnx_bytes = await self._file(contents, MODEL_FILE, MAX_MODEL_BYTES)
        golden_bytes = await self._file(contents, GOLDEN_FILE, MAX_GOLDEN_BYTES)
        golden = parse(Golden, golden_bytes, digest)
        served = ServedVersion(model, version, digest, contents)
        await asyncio.to_thread(self._write, served, onnx_bytes)
        failpoints.hit("gateway.before-load")
        await self._server.load(served.server_name, self._seconds)
        failpoints.hit("gateway.after-load")
        await self._prove(served, golden)
        return served

    async def _file(self, contents: Manifest, name: str, max_bytes: int) -> bytes:
        return await self._artifacts.get(contents.files[name], max_bytes)

    def _write(self, served: ServedVersion, model: bytes) -> None:
        onnx.check_model(model)
        self._repository.write(served.server_name, model, served.signature)

    async def _prove(self, served: ServedVersion, golden: Golden) -> None:
        inputs = golden_inputs(served.signature, golden, self._max_rows)
        names = [spec.name for spec in served.signature.outputs]
        for outputs in await self._server.infer(served.server_name, inputs, names, self._seconds):
            if cause := difference(served.signature, golden, outputs, self._max_rows):
                raise CorruptArtifact(f"{served.server_name} fails its golden predictions in the model server: {cause}")
