"""The real parts of one run: Kafka, Triton and the gateway, and the models they serve."""

import asyncio
import hashlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidemill.v1.model_pb2 import Arm, Mirror, Route
from tidemill_contracts import topics
from tidemill_local.stack import Stack
from tidemill_runtime.artifacts import ArtifactStore
from tidemill_runtime.bus import Producer
from tidemill_runtime.events import new_event
from tidemill_runtime.settings import ServiceSettings

from benchmarks.gateway import bodies
from benchmarks.gateway.loads import GrpcLoad, Load, RestLoad
from benchmarks.gateway.networks import Network, logistic, store

KEY = "benchmark-key-of-no-worth"
HANGING = Path(__file__).with_name("hanging.py")
BACKEND = "triton/backends/onnxruntime/model.py"
PROTOCOLS = ("REST", "gRPC")


@dataclass(frozen=True)
class Served:
    """A model behind the gateway: so many equal arms, and a version that mirrors a share of the traffic.

    `sample`: share of the predictions logged. `sticky`: the route's sticky header. `binary`: REST in binary form.
    """

    model: str
    network: Callable[[], Network] = logistic
    sample: float = 1.0
    arms: int = 1
    mirror: float = 0.0
    sticky: str = ""
    binary: bool = False

    @property
    def behind(self) -> tuple[str, ...]:
        """The arms' names in Triton."""
        return tuple(f"{self.model}-v{version}" for version in range(1, self.arms + 1))

    @property
    def mirroring(self) -> str:
        """The mirror's name in Triton."""
        return f"{self.model}-v{self.arms + 1}"


@dataclass(frozen=True)
class Usage:
    """Processor seconds the gateway has used, and its resident bytes."""

    cpu: float
    resident: int


class Bench:
    """A stack in a folder of its own, up to `down`."""

    def __init__(self, folder: Path, port_offset: int) -> None:
        self._folder = folder
        (folder / "pipelines").mkdir()
        self.stack = Stack(folder / "stack", port_offset, pipelines=folder / "pipelines")
        self._routed: set[str] = set()
        self._keyed: bool | None = None

    def up(self) -> None:
        """Start Kafka and Triton; the backend's code is read when a model is loaded, so it can still be added to."""
        self.stack.up(["kafka", "triton"])
        with (self.stack.home.path / BACKEND).open("a") as code:
            code.write(HANGING.read_text())

    def down(self) -> None:
        """Stop everything."""
        self.stack.down()

    def serve(self, *served: Served, keyed: bool = False) -> None:
        """Have the gateway serve these models, and those before; `keyed`: to callers with the API key only."""
        new = [one for one in served if one.model not in self._routed]
        if new:
            asyncio.run(self._route(new))
            self._routed.update(one.model for one in new)
        if new or keyed != self._keyed:
            self.stack.stop("gateway")
            self.stack.start("gateway", {"TIDEMILL_API_KEYS": str(self._keys())} if keyed else {})
            self._keyed = keyed

    def direct(self, served: Served, protocol: str) -> Load:
        """The requests of `through` to the same versions in Triton itself, the arms in turn."""
        return self._load(served, protocol, "triton-http", "triton-grpc", served.behind)

    def through(self, served: Served, protocol: str) -> Load:
        """Requests of one row to the gateway."""
        return self._load(served, protocol, "gateway", "gateway-grpc", (served.model,))

    def usage(self) -> Usage:
        """What the gateway's processes have used so far."""
        processes = self.stack.processes.find("gateway")
        return Usage(
            sum(sum(process.cpu_times()[:2]) for process in processes),
            sum(process.memory_info().rss for process in processes),
        )

    def counted(self, metric: str, *labels: str) -> float:
        """Sum of a metric of the gateway over all series with these labels, each as `name="value"`."""
        request = urllib.request.Request(f"{self.stack.http_url('gateway')}/metrics", headers=_authorization())
        with urllib.request.urlopen(request, timeout=30) as response:
            lines = response.read().decode().splitlines()
        series = (line for line in lines if line.startswith((f"{metric}{{", f"{metric} ")))
        return sum(float(line.rsplit(" ", 1)[1]) for line in series if all(label in line for label in labels))

    def status_without_key(self, served: Served) -> int:
        """HTTP status of a right request that brings no API key."""
        url = f"{self.stack.http_url('gateway')}/v2/models/{served.model}/infer"
        request = urllib.request.Request(url, bodies.json_body(served.network().rows[:1]), bodies.JSON)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def let_hang(self, name: str) -> None:
        """Have a model in Triton, not loaded yet, be one that can hang."""
        self._switch(name).parent.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def hanging(self, name: str) -> Iterator[None]:
        """That model takes requests and answers none."""
        self._switch(name).touch()
        try:
            yield
        finally:
            self._switch(name).unlink()

    def _switch(self, name: str) -> Path:
        return self.stack.home.path / "triton/hangs" / name / "now"

    def _load(self, served: Served, protocol: str, http: str, grpc: str, models: tuple[str, ...]) -> Load:
        row = served.network().rows[:1]
        if protocol == "gRPC":
            messages = tuple(bodies.grpc_message(model, row) for model in models)
            return GrpcLoad(self.stack.ports[grpc], messages, self._authorized(), served.sticky)
        body, headers = bodies.binary_body(row) if served.binary else (bodies.json_body(row), bodies.JSON)
        paths = tuple(f"/v2/models/{model}/infer" for model in models)
        return RestLoad(self.stack.ports[http], paths, body, {**headers, **self._authorized()}, served.sticky)

    def _authorized(self) -> dict[str, str]:
        return _authorization() if self._keyed else {}

    def _keys(self) -> Path:
        file = self._folder / "keys.yaml"
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        file.write_text(json.dumps([{"name": "benchmark", "sha256": digest, "models": sorted(self._routed)}]))
        return file

    async def _route(self, served: list[Served]) -> None:
        artifacts = ArtifactStore(self.stack.environment("gateway")["TIDEMILL_ARTIFACTS_URL"])
        settings = ServiceSettings(environment="local", kafka_bootstrap=self.stack.bootstrap, http_port=1)
        producer = Producer(settings, f"benchmark-{os.getpid()}")
        await producer.start()
        try:
            for one in served:
                digest = await store(artifacts, one.model, one.network(), one.sample)
                await producer.send(topics.ROUTES, new_event("benchmark", one.model, _route(one, digest)))
        finally:
            await producer.stop()


def _route(served: Served, digest: str) -> Route:
    versions = range(1, served.arms + 1)
    return Route(
        model=served.model,
        epoch=1,
        arms=[Arm(version=version, artifact_digest=digest, weight=1 / served.arms) for version in versions],
        mirrors=[Mirror(version=served.arms + 1, artifact_digest=digest, fraction=served.mirror)]
        if served.mirror
        else [],
        sticky_header=served.sticky,
        reason="a benchmark",
    )


def _authorization() -> dict[str, str]:
    return {"authorization": f"Bearer {KEY}"}
