"""A closed loop of requests on the loopback: wrk over REST, ghz over gRPC."""

import json
import math
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tritonclient.grpc import service_pb2

from benchmarks.gateway import tools

SCRIPT = Path(__file__).with_name("load.lua")
HOST = "127.0.0.1"
GRACE_SECONDS = 60


class LoadFailed(Exception):
    """The generator did not end well, or a request was not answered as it should be: the figures would mean nothing."""


@dataclass(frozen=True)
class Outcome:
    """What a load came to; latencies in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


class Load(Protocol):
    """Requests of one kind to one place."""

    def run(self, connections: int, seconds: float) -> Outcome:
        """Send one request after the other on each connection. Raises LoadFailed if any of them fails."""


@dataclass(frozen=True)
class RestLoad:
    """POSTs of `body` to the `paths` in turn; each with another value of the `sticky` header, if named."""

    port: int
    paths: tuple[str, ...]
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    sticky: str = ""

    def run(self, connections: int, seconds: float) -> Outcome:
        with _file(self.body) as body:
            given = [str(body), self.sticky or "-", ",".join(self.paths), *self._header_lines()]
            length = ["-t1", f"-c{connections}", f"-d{math.ceil(seconds)}s", "--timeout", f"{GRACE_SECONDS}s"]
            command = [tools.wrk(), *length, "-s", str(SCRIPT), f"http://{HOST}:{self.port}", "--", *given]
            printed = _printed(command, seconds)
        marked = [line for line in printed.splitlines() if line.startswith("RESULT ")]
        if not marked:
            raise LoadFailed(f"wrk printed no result: {printed[-1000:]}")
        found = json.loads(marked[0].removeprefix("RESULT "))
        return _outcome(found["requests"], found["failed"], found["seconds"], found["p50"], found["p99"])

    def _header_lines(self) -> list[str]:
        return [f"{name}: {value}" for name, value in self.headers.items()]


@dataclass(frozen=True)
class GrpcLoad:
    """`ModelInfer` calls with the `messages` (protobuf's JSON form) in turn; `sticky` as for REST."""

    port: int
    messages: tuple[Mapping[str, Any], ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    sticky: str = ""

    def run(self, connections: int, seconds: float) -> Outcome:
        metadata = dict(self.metadata)
        if self.sticky:
            metadata[self.sticky] = "caller-{{.RequestNumber}}"
        with _file(_protoset()) as protoset, _file(json.dumps(list(self.messages)).encode()) as data:
            what = ["--protoset", str(protoset), "--call", "inference.GRPCInferenceService/ModelInfer"]
            given = ["--data-file", str(data), "--metadata", json.dumps(metadata), "--timeout", f"{GRACE_SECONDS}s"]
            length = ["-c", str(connections), "--connections", str(connections), "-z", f"{seconds:g}s"]
            form = ["--insecure", "--duration-stop", "wait", "-O", "json"]
            printed = _printed([tools.ghz(), *what, *given, *length, *form, f"{HOST}:{self.port}"], seconds)
        return _of_report(json.loads(printed))


def _of_report(report: Mapping[str, Any]) -> Outcome:
    failed = report.get("errorDistribution") or {}
    latencies = {item["percentage"]: item["latency"] / 1e9 for item in report.get("latencyDistribution") or ()}
    nothing = float("nan")
    p50, p99 = latencies.get(50, nothing), latencies.get(99, nothing)
    return _outcome(report["count"], failed, report["total"] / 1e9, p50, p99)


def _outcome(requests: int, failed: Mapping[str, int], seconds: float, p50: float, p99: float) -> Outcome:
    if causes := [f"{count} by {cause}" for cause, count in failed.items() if count]:
        raise LoadFailed(f"beside {requests} answered requests others failed: {', '.join(causes)}")
    if not requests:
        raise LoadFailed(f"no request was answered in {seconds:.1f} s")
    return Outcome(requests, seconds, p50, p99)


def _printed(command: Sequence[str], seconds: float) -> str:
    limit = seconds + 2 * GRACE_SECONDS
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode != 0:
        raise LoadFailed(f"{Path(command[0]).name}: {done.stderr[-1000:]}{done.stdout[-1000:]}")
    return done.stdout


@contextmanager
def _file(content: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="tidemill-load-") as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


def _protoset() -> bytes:
    """Triton's service with all it imports, each file after those it needs."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for needed in file.dependencies:
            add(needed)
        files.setdefault(file.name, file)

    add(service_pb2.DESCRIPTOR)
    return _serialized(files.values())


def _serialized(files: Any) -> bytes:
    found = FileDescriptorSet()
    for file in files:
        file.CopyToProto(found.file.add())
    return found.SerializeToString()
