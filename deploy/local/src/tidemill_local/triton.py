"""The embedded Triton: the server of nvidia-pytriton's wheel with an ONNX Runtime backend in Python."""

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tidemill_local.errors import StackError
from tidemill_local.home import ROOT, Home
from tidemill_local.part import Part, answers_ok
from tidemill_local.progress import Progress
from tidemill_local.setup import ensure_libpython, libpython_folder, triton_environment

BACKENDS = ROOT / "deploy/triton/backends"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def triton(home: Home, ports: Mapping[str, int], progress: Progress) -> Part:
    """Triton under explicit model control, serving the home's model repository."""
    http_port, grpc_port, metrics_port = (ports[f"triton-{plane}"] for plane in ("http", "grpc", "metrics"))
    installed = triton_environment()
    packages = installed.path / f"lib/python{VERSION}/site-packages"
    server = packages / "pytriton/tritonserver"
    folder = home.folder("triton")
    backends = folder / "backends"
    region = "tidemill_" + hashlib.sha256(str(home.path).encode()).hexdigest()[:10]

    def prepare() -> None:
        installed.ensure(progress)
        ensure_libpython(progress)
        for leftover in Path("/dev/shm").glob(f"{region}*"):  # noqa: S108
            leftover.unlink(missing_ok=True)
        _assemble(server, backends)

    return Part(
        name="triton",
        command=(
            str(server / "bin/tritonserver"),
            f"--model-repository={home.folder('triton/models')}",
            f"--backend-directory={backends}",
            "--model-control-mode=explicit",
            "--disable-auto-complete-config",
            "--strict-readiness=false",
            f"--backend-config=python,shm-region-prefix-name={region}",
            "--http-address=127.0.0.1",
            f"--http-port={http_port}",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={grpc_port}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={metrics_port}",
            "--allow-gpu-metrics=false",
            "--exit-timeout-secs=5",
        ),
        environment={
            **os.environ,
            "PATH": f"{installed.path / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
            "LD_LIBRARY_PATH": f"{packages / 'nvidia_pytriton.libs'}{os.pathsep}{libpython_folder() or '/usr/lib'}",
            "OMP_NUM_THREADS": "1",
        },
        folder=folder,
        ports=(http_port, grpc_port, metrics_port),
        is_ready=lambda: answers_ok(http_port, "/v2/health/ready"),
        prepare=prepare,
    )


def _assemble(server: Path, backends: Path) -> None:
    """Put the python backend, its stub for this Python and our backends side by side."""
    stub = server / "python_backend_stubs" / VERSION / "triton_python_backend_stub"
    if not stub.exists():
        raise StackError(f"Triton has no stub for Python {VERSION}.", "Use Python 3.11, 3.12 or 3.13.")
    shutil.rmtree(backends, ignore_errors=True)
    shutil.copytree(server / "backends/python", backends / "python")
    shutil.copy(stub, backends / "python")
    shutil.copytree(BACKENDS, backends, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
