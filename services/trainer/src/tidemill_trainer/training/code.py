"""The user's training code: loaded from its file, and identified for the lineage."""

import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tidemill_runtime.errors import InvalidInput

from tidemill_trainer import algorithms
from tidemill_trainer.domain.signature import FeatureKind

Build = Callable[[str, Mapping[str, Any], Mapping[str, FeatureKind], int], Any]
GIT_SECONDS = 10


def load_build(file: Path) -> Build:
    """The function `build` of the training code; without one, the trainer's own algorithms.

    Raises InvalidInput if the file cannot be executed.
    """
    build: Build = getattr(_load(file), "build", algorithms.build)
    return build


def code_digest(file: Path) -> str:
    """SHA-256 over the names and contents of the Python files in the training code's folder, by name."""
    content = hashlib.sha256()
    for path in sorted(file.parent.glob("*.py")):
        content.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


def code_commit(file: Path) -> str:
    """The last Git commit that changed the training code's folder; "unknown" outside a repository."""
    command = ["git", "-C", str(file.parent), "log", "-1", "--format=%H", "--", "."]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip() or "unknown"


def _load(file: Path) -> ModuleType:
    name = "tidemill_training_code"
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None or not file.is_file():
        raise InvalidInput(f"no training code at {file}; correct `training_code` in the pipeline file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise InvalidInput(f"training code {file.name} fails when it is loaded: {error!r}") from error
    return module
