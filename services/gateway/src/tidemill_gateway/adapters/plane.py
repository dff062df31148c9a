"""The native data plane, steered."""

import asyncio
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill_contracts.manifest import Signature
from tidemill_dataplane import DataPlane
from tidemill_runtime.errors import InvalidInput
from tidemill_runtime.lifecycle import Worker

from tidemill_gateway.serving import ServedModel, ServedVersion
from tidemill_gateway.settings import GatewaySettings

WATCH_SECONDS = 0.1


@dataclass(frozen=True)
class Sockets:
    """Unix sockets between the data plane and this process's servers, in a folder that only its user can open."""

    folder: Path

    @classmethod
    def make(cls) -> "Sockets":
        return cls(Path(tempfile.mkdtemp(prefix="tidemill-")))

    @property
    def internal(self) -> Path:
        """The data plane's own, for calls of this process."""
        return self.folder / "plane"

    @property
    def http(self) -> Path:
        return self.folder / "http"

    @property
    def grpc(self) -> Path:
        return self.folder / "grpc"

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Plane:
    """V2 inference on the public ports; `on_suspect` is told of a model that the model server seems to have lost."""

    def __init__(self, settings: GatewaySettings, sockets: Sockets, on_suspect: Callable[[str], None]) -> None:
        self.native = DataPlane(json.dumps(_configuration(settings, sockets)))
        self._on_suspect = on_suspect
        self._watch = Worker("data plane", self._run)

    @property
    def failed(self) -> asyncio.Future[None]:
        return self._watch.failed

    async def start(self) -> None:
        """Bind the ports; OSError says which one is taken."""
        self.native.start()
        await self._watch.start()

    def drain(self) -> None:
        """Answers end their connections from now on."""
        self.native.drain()

    async def stop(self, seconds: float) -> None:
        """Take no more connections and end the open requests, within `seconds`."""
        await self._watch.stop()
        await asyncio.to_thread(self.native.stop, seconds)

    def swap(self, served: ServedModel) -> None:
        """Put a route in effect; one assignment."""
        self.native.set_route(json.dumps(_route(served)))

    def set_callers(self, document: dict[str, Any]) -> None:
        """Who may call; InvalidInput says what is wrong with it."""
        try:
            self.native.set_auth(json.dumps(document))
        except ValueError as error:
            raise InvalidInput(str(error)) from None

    def in_flight(self, model: str, version: int) -> int:
        """Requests that use a version now."""
        return self.native.in_flight(model, version)

    def count_refusal(self, protocol: str, status: int) -> None:
        """Count a request that is refused before it comes to the data plane."""
        self.native.count_refusal(protocol, status)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self.native.is_alive():
                raise RuntimeError("a thread of the data plane has ended")
            for model in self.native.take_suspects():
                self._on_suspect(model)


def _configuration(settings: GatewaySettings, sockets: Sockets) -> dict[str, Any]:
    key = settings.log_hash_key.get_secret_value() if settings.log_hash_key else secrets.token_hex(32)
    tls = settings.tls_certificate and {
        "certificate": str(settings.tls_certificate),
        "key": str(settings.tls_key),
        "client_ca": str(settings.tls_client_ca) if settings.tls_client_ca else None,
    }
    same = (
        "workers max_body_bytes max_rows max_connections idle_seconds infer_seconds candidate_share candidate_seconds"
        " mirror_requests mirror_bytes log_queue_rows log_queue_bytes"
    )
    return {
        "http": {"host": settings.http_host, "port": settings.http_port},
        "grpc": {"host": settings.grpc_host, "port": settings.grpc_port},
        "internal_socket": str(sockets.internal),
        "http_backend": str(sockets.http),
        "grpc_backend": str(sockets.grpc),
        "endpoints": settings.triton_urls,
        "hash_key": key,
        "tls": tls,
        **{name: getattr(settings, name) for name in same.split()},
    }


def _route(served: ServedModel) -> dict[str, Any]:
    return {
        "table": served.table.document(),
        "versions": [_version(version) for version in served.versions.values()],
    }


def _version(version: ServedVersion) -> dict[str, Any]:
    serving = version.manifest.serving
    return {
        "version": version.version,
        "digest": version.digest,
        "server_name": version.server_name,
        "signature": _signature(version.signature),
        "serving": {
            "allow_missing": serving.missing == "allow",
            "cache": serving.cache and {"entries": serving.cache.entries, "ttl_seconds": serving.cache.ttl},
            "log": serving.log.model_dump(mode="json"),
            "concurrency": serving.concurrency,
            "queue": serving.queue,
            "retry": serving.retry,
        },
    }


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        side: [{"name": spec.name, "datatype": spec.datatype, "shape": spec.shape} for spec in specs]
        for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs))
    }
