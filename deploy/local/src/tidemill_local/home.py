"""Where a stack keeps its files, and which ports it uses."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidemill_local.errors import StackError

ROOT = Path(__file__).resolve().parents[4]
CACHE = ROOT / ".tidemill" / "cache"
PARTS = {
    "kafka": 19092,
    "kafka-controller": 19093,
    "postgres": 15432,
    "triton-http": 18000,
    "triton-grpc": 18001,
    "triton-metrics": 18002,
}


@dataclass(frozen=True)
class Home:
    """A folder with everything one stack knows: data, logs, passwords. It survives `down` and `up`."""

    path: Path

    @classmethod
    def at(cls, path: Path | str | None = None) -> "Home":
        """The home at `path`, else at TIDEMILL_HOME, else `.tidemill` in the project's root."""
        chosen = path or os.environ.get("TIDEMILL_HOME") or ROOT / ".tidemill"
        return cls(Path(chosen).expanduser().resolve())

    def folder(self, name: str) -> Path:
        """The sub-folder `name`, made if missing."""
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def logs(self) -> Path:
        """Folder of the processes' logs."""
        return self.folder("logs")

    def log(self, process: str) -> Path:
        """Log file of one process."""
        return self.logs / f"{process}.log"

    def secret(self, name: str) -> str:
        """The secret `name`, made at first use and readable by its owner only."""
        file = self.folder("secrets") / name
        if not file.exists():
            draft = file.with_suffix(".new")
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_urlsafe(24))
            draft.rename(file)
        return file.read_text()

    def port_offset(self, offset: int | None = None) -> int:
        """`offset`, else TIDEMILL_PORT_OFFSET, else the one of the last `up`, else 0."""
        if offset is not None:
            return offset
        if given := os.environ.get("TIDEMILL_PORT_OFFSET"):
            return int(given)
        recorded = self.path / "port-offset"
        return int(recorded.read_text()) if recorded.exists() else 0

    def record_port_offset(self, offset: int) -> None:
        """Remember the offset, so that later commands find this stack without being told."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "port-offset").write_text(str(offset))


def ports(services: Mapping[str, Mapping[str, str]], offset: int) -> dict[str, int]:
    """Port of every listener by name: the parts', `<service>` for HTTP and `<service>-grpc`, each plus `offset`.

    `services` are the services' own settings by name. Raises StackError when the offset leaves the port range.
    """
    base = dict(PARTS)
    for name, settings in services.items():
        base[name] = int(settings["TIDEMILL_HTTP_PORT"])
        if grpc := settings.get("TIDEMILL_GRPC_PORT"):
            base[f"{name}-grpc"] = int(grpc)
    if min(base.values()) + offset < 1024 or max(base.values()) + offset > 65535:
        raise StackError(f"Port offset {offset} leaves the range 1024 to 65535.", "Choose another --port-offset.")
    return {name: port + offset for name, port in base.items()}
