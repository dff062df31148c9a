"""What the embedded parts need on the machine, fetched once into the project's cache and shared by all stacks."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tidemill_local.errors import StackError
from tidemill_local.home import CACHE, ROOT
from tidemill_local.progress import Progress

POM = ROOT / "deploy/local/kafka/pom.xml"
TRITON_REQUIREMENTS = ROOT / "deploy/triton/requirements.txt"
JAVA_MAJOR = 17


def kafka_jars(progress: Progress) -> Path:
    """Folder with the Kafka server's jars, fetched with Maven if missing; makes sure of Java as well."""
    ensure_java(progress)
    return _cached("kafka", _digest(POM), progress, _fetch_kafka)


def triton_environment(progress: Progress) -> Path:
    """Virtual environment with Triton and ONNX Runtime, made with uv if missing."""
    key = _digest(TRITON_REQUIREMENTS) + f"-py{sys.version_info.major}{sys.version_info.minor}"
    environment = _cached("triton", key, progress, _make_triton_environment)
    libpython_folder(progress)
    return environment


def ensure_java(progress: Progress) -> None:
    """Install a Java runtime where there is none of at least version 17. Raises StackError when that needs root."""
    if _java_major() >= JAVA_MAJOR:
        return
    _install(["openjdk-17-jre-headless", "openjdk-21-jre-headless"], "Java", progress)


def libpython_folder(progress: Progress) -> Path:
    """Folder of the shared libpython of this interpreter, which Triton's python backend links to."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    if folder := _find_library(name):
        return folder
    _install([name.split(".so")[0]], name, progress)
    if folder := _find_library(name):
        return folder
    raise StackError(f"{name} is missing.", "Use a Python built with --enable-shared.")


def _fetch_kafka(folder: Path, progress: Progress) -> None:
    if not shutil.which("mvn"):
        _install(["maven"], "Maven", progress)
    progress("kafka", "fetching Apache Kafka with Maven")
    pom, target = f"-f{POM}", f"-DoutputDirectory={folder}"
    _call(["mvn", "-q", "-B", pom, "dependency:copy-dependencies", target], "Kafka could not be fetched.")


def _make_triton_environment(folder: Path, progress: Progress) -> None:
    progress("triton", "installing Triton into its own environment")
    uv, failed = find_uv(), "Triton could not be installed."
    _call([uv, "venv", "-q", "--relocatable", "--python", sys.executable, str(folder)], failed)
    python, requirements = str(folder / "bin/python"), str(TRITON_REQUIREMENTS)
    _call([uv, "pip", "install", "-q", "--no-deps", "--python", python, "-r", requirements], failed)


def find_uv() -> str:
    """The uv that the launcher used, else the one on PATH, else the project's private one."""
    candidates = [os.environ.get("TIDEMILL_UV"), shutil.which("uv"), str(ROOT / ".tidemill/uv/bin/uv")]
    found = next((path for path in candidates if path and os.access(path, os.X_OK)), None)
    if found is None:
        raise StackError("uv is missing.", "Run ./tidemill once: it installs uv.")
    return found


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock on `file`; it falls with the process."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _cached(name: str, key: str, progress: Progress, fetch: Callable[[Path, Progress], None]) -> Path:
    folder = CACHE / name / key
    if folder.exists():
        return folder
    with locked(CACHE / f"{name}.lock"):
        if not folder.exists():
            draft = folder.with_name(f"{key}.new")
            shutil.rmtree(draft, ignore_errors=True)
            draft.parent.mkdir(parents=True, exist_ok=True)
            fetch(draft, progress)
            draft.rename(folder)
    return folder


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _java_major() -> int:
    java = shutil.which("java")
    if java is None:
        return 0
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', answer)
    return int(version.group(1)) if version else 0


def _find_library(name: str) -> Path | None:
    folder = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    places = [folder, folder / (sysconfig.get_config_var("MULTIARCH") or ""), Path(sys.base_prefix) / "lib"]
    return next((place for place in places if (place / name).exists()), None)


def _install(alternatives: Sequence[str], what: str, progress: Progress) -> None:
    by_hand = f"Install it: apt-get install {alternatives[0]}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise StackError(f"{what} is missing.", by_hand)
    with locked(CACHE / "apt.lock"):
        progress(what, "installing with apt-get")
        _call(["apt-get", "update", "-qq"], f"{what} could not be installed.")
        package = next((name for name in alternatives if _has_package(name)), alternatives[0])
        _call(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
            f"{what} could not be installed.",
            by_hand,
        )


def _has_package(name: str) -> bool:
    answer = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True, check=False).stdout
    return "Candidate:" in answer and "Candidate: (none)" not in answer


def _call(command: Sequence[str], failed: str, cure: str = "Look at the messages above and try again.") -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "UV_SYSTEM_CERTS": "1"}
    result = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode != 0:
        raise StackError(failed, cure, "\n".join(result.stdout.splitlines()[-20:]))
