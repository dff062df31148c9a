"""Environments of the clients that cannot live in the project's own, each made once."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tidemill_local.errors import StackError
from tidemill_local.home import CACHE
from tidemill_local.progress import Progress, silent
from tidemill_local.setup import Fetched, find_uv

REQUIREMENTS = Path(__file__).parent / "requirements"


def python_of(client: str) -> str:
    """The interpreter that has `requirements/<client>.txt`. Raises StackError if it cannot be installed."""
    requirements = REQUIREMENTS / f"{client}.txt"
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]

    def install(folder: Path, _: Progress) -> None:
        _uv("venv", "-q", "--relocatable", "--python", sys.executable, str(folder))
        python = str(folder / "bin/python")
        _uv("pip", "install", "-q", "--no-deps", "--python", python, "-r", str(requirements))

    environment = Fetched(CACHE / "clients" / client / f"{digest}-{version}", install)
    environment.ensure(silent)
    return str(environment.path / "bin/python")


def _uv(*arguments: str) -> None:
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    done = subprocess.run([find_uv(), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError("A client could not be installed.", "Is there a network?", done.stderr[-4000:])
