"""What the embedded parts need on the machine, fetched once into the project's cache and shared by all stacks."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill_local.errors import StackError
from tidemill_local.home import CACHE, ROOT
from tidemill_local.locks import locked
from tidemill_local.progress import Progress

POM = ROOT / "deploy/local/kafka/pom.xml"
TRITON_REQUIREMENTS = ROOT / "deploy/triton/requirements.txt"
JAVA_MAJOR = 17
LIBPYTHON = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"


@dataclass(frozen=True)
class Fetched:
    """A folder of the cache. `fetch` fills it; it is complete if it exists."""

    path: Path
    fetch: Callable[[Path, Progress], None]

    def ensure(self, progress: Progress) -> None:
        """Fill the folder if it is missing, once even if several processes ask."""
        if self.path.exists():
            return
        with locked(self.path.parent / "lock"):
            if not self.path.exists():
                draft = self.path.with_name(f"{self.path.name}.new")
                shutil.rmtree(draft, ignore_errors=True)
                self.fetch(draft, progress)
                draft.rename(self.path)


def kafka_jars() -> Fetched:
    """The Kafka server's jars, fetched with Maven."""
    return Fetched(CACHE / "kafka" / _digest(POM), _fetch_kafka)


def triton_environment() -> Fetched:
    """A virtual environment with Triton and ONNX Runtime, made with uv."""
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    return Fetched(CACHE / "triton" / f"{_digest(TRITON_REQUIREMENTS)}-{python}", _make_triton_environment)


def ensure_java(progress: Progress) -> None:
    """Install a Java runtime where there is none of at least version 17. Raises StackError when that needs root."""
    if _java_major() >= JAVA_MAJOR:
        return
    _install(["openjdk-17-jre-headless", "openjdk-21-jre-headless"], "Java", progress)


def ensure_libpython(progress: Progress) -> None:
    """Install this interpreter's shared libpython, which Triton's python backend links to, if it is missing."""
    if libpython_folder() is None:
        _install([LIBPYTHON.split(".so")[0]], LIBPYTHON, progress)


def libpython_folder() -> Path | None:
    """Folder of this interpreter's shared libpython; None if it has none."""
    folder = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    places = [folder, folder / (sysconfig.get_config_var("MULTIARCH") or ""), Path(sys.base_prefix) / "lib"]
    return next((place for place in places if (place / LIBPYTHON).exists()), None)


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


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def _java_major() -> int:
    java = shutil.which("java")
    if java is None:
        return 0
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', answer)
    return int(version.group(1)) if version else 0


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
