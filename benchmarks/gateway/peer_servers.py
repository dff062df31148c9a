"""Other model servers, each in an environment of its own, with the same ONNX model and one worker."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from tidemill_local.errors import StackError
from tidemill_local.home import CACHE
from tidemill_local.setup import find_uv

from benchmarks.gateway import bodies
from benchmarks.gateway.loads import HOST, GrpcLoad, Load, RestLoad
from benchmarks.gateway.networks import logistic

SOURCES = Path(__file__).with_name("peers")
ENVIRONMENTS = CACHE / "peers"
PYTHON = "3.11"
READY_SECONDS = 90
STOP_SECONDS = 15
V2 = "/v2/models/logistic/infer"


@dataclass(frozen=True)
class Peer:
    """A server: how it is started in its folder, and where it takes predictions; `grpc` if it speaks V2 over gRPC."""

    name: str
    title: str
    command: tuple[str, ...]
    path: str
    grpc: bool = False

    @property
    def environment(self) -> Path:
        """Folder of its virtual environment."""
        return ENVIRONMENTS / self.name

    @property
    def version(self) -> str:
        """The pinned version."""
        pinned = (SOURCES / self.name / "requirements.txt").read_text().split()
        return next(line.split("==")[1] for line in pinned if line.startswith(f"{self.name}=="))


PEERS = (
    Peer("mlserver", "MLServer", ("mlserver", "start", "."), V2, grpc=True),
    Peer("kserve", "KServe's Python server", ("python", "serve.py"), V2, grpc=True),
    Peer("litserve", "LitServe", ("python", "serve.py"), "/predict"),
    Peer("bentoml", "BentoML", ("bentoml", "serve", "serve:Logistic"), "/predict"),
)


@dataclass(frozen=True)
class Running:
    """A peer that answers."""

    peer: Peer
    http_port: int
    grpc_port: int

    def load(self, protocol: str) -> Load:
        """Requests of the row that the gateway is asked with."""
        row = logistic().rows[:1]
        if protocol == "gRPC":
            return GrpcLoad(self.grpc_port, (bodies.grpc_message("logistic", row),))
        return RestLoad(self.http_port, (self.peer.path,), body_for(self.peer), bodies.JSON)


def body_for(peer: Peer) -> bytes:
    """One row as V2, or as the peer's own route takes it."""
    row = logistic().rows[:1]
    return bodies.json_body(row) if peer.path == V2 else json.dumps({"x": row.tolist()}).encode()


def install(peer: Peer) -> None:
    """Make the peer's environment if there is none with these requirements. Raises StackError."""
    requirements = SOURCES / peer.name / "requirements.txt"
    installed = peer.environment / "installed.txt"
    if installed.exists() and installed.read_text() == requirements.read_text():
        return
    print(f"installing {peer.title} {peer.version} into {peer.environment}", flush=True)
    shutil.rmtree(peer.environment, ignore_errors=True)
    python = str(peer.environment / "bin/python")
    _call([find_uv(), "venv", "-q", "--python", PYTHON, str(peer.environment)], peer)
    _call([find_uv(), "pip", "install", "-q", "--python", python, "-r", str(requirements)], peer)
    shutil.copy(requirements, installed)


@contextmanager
def running(peer: Peer, folder: Path) -> Iterator[Running]:
    """The peer, started in a new `folder` and proven to give the model's answers. Raises StackError."""
    install(peer)
    shutil.copytree(SOURCES / peer.name, folder)
    model = folder / "model.onnx"
    model.write_bytes(logistic().onnx)
    http, grpc, metrics = _free_ports(3)
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(peer, http),
            cwd=folder,
            env=_environment(peer, folder, {"HTTP_PORT": http, "GRPC_PORT": grpc, "METRICS_PORT": metrics}),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        found = Running(peer, http, grpc)
        _wait_right(found, process, log)
        yield found
    finally:
        _stop(process)


def _command(peer: Peer, http: int) -> list[str]:
    program, *rest = peer.command
    own = ["--host", HOST, "--port", str(http)] if peer.name == "bentoml" else []
    return [str(peer.environment / "bin" / program), *rest, *own]


def _environment(peer: Peer, folder: Path, ports: Mapping[str, int]) -> dict[str, str]:
    numbers = {f"{prefix}_{name}": str(port) for name, port in ports.items() for prefix in ("PEER", "MLSERVER")}
    return {
        **os.environ,
        **numbers,
        "PATH": f"{peer.environment / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "PEER_MODEL": str(folder / "model.onnx"),
        "MLSERVER_HOST": HOST,
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / "bentoml"),
    }


def _wait_right(found: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, urllib.error.URLError):
            _check(found)
            return
        time.sleep(0.2)
    raise StackError(f"{found.peer.title} does not answer.", "Read its log.", log.read_text()[-3000:])


def _check(found: Running) -> None:
    request = urllib.request.Request(
        f"http://{HOST}:{found.http_port}{found.peer.path}", body_for(found.peer), bodies.JSON
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    given = answer["probabilities"][0] if "probabilities" in answer else answer["outputs"][1]["data"]
    right = logistic().answers(logistic().rows[:1])[1][0]
    if max(abs(one - other) for one, other in zip(given, right, strict=True)) > 1e-4:
        raise StackError(f"{found.peer.title} answers {given}, not {right}.", "Look at its serve.py.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the peer and all it started."""
    with suppress(psutil.NoSuchProcess):
        started = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        for left in psutil.wait_procs(started, STOP_SECONDS)[1]:
            with suppress(psutil.NoSuchProcess):
                left.kill()
    process.wait()


def _free_ports(count: int) -> list[int]:
    with_sockets = [socket.socket() for _ in range(count)]
    try:
        for one in with_sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in with_sockets]
    finally:
        for one in with_sockets:
            one.close()


def _call(command: list[str], peer: Peer) -> None:
    done = subprocess.run(
        command, env={**os.environ, "UV_SYSTEM_CERTS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StackError(f"{peer.title} could not be installed.", "Look at the messages above.", done.stderr[-2000:])
