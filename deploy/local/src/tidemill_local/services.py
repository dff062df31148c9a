"""The project's own services: what is the same everywhere from `deploy/env`, the addresses from the local stack."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tidemill_local.home import ROOT, Home
from tidemill_local.part import Part, answers_ok

SETTINGS = ROOT / "deploy/env"
NOTIFIERS = ROOT / "deploy/notifiers.yaml"
TAKEN = {"registry": ("TIDEMILL_ROLLOUT_WEBHOOK", "TIDEMILL_ROLLOUT_WEBHOOK_SECRET")}
"""What a service is told of the caller's own settings."""


def read_env(file: Path) -> dict[str, str]:
    """Settings of one file in `KEY=value` lines; `#` starts a comment line."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def service_settings(folder: Path = SETTINGS) -> dict[str, dict[str, str]]:
    """Settings of every service by name: the common ones and its own, which win. A service is an env file."""
    common = read_env(folder / "common.env")
    files = sorted(file for file in folder.glob("*.env") if file.stem != "common")
    return {file.stem: {**common, **read_env(file)} for file in files}


def addresses(home: Home, ports: Mapping[str, int], database_url: str, pipelines: Path) -> dict[str, str]:
    """The settings that differ between this stack and another deployment of the same services."""
    return {
        "TIDEMILL_ENVIRONMENT": "local",
        "TIDEMILL_KAFKA_BOOTSTRAP": f"127.0.0.1:{ports['kafka']}",
        "TIDEMILL_DATABASE_URL": database_url,
        "TIDEMILL_LAKE_URL": home.folder("lake").as_uri(),
        "TIDEMILL_ARTIFACTS_URL": home.folder("artifacts").as_uri(),
        "TIDEMILL_PIPELINES": str(pipelines),
        "TIDEMILL_HTTP_HOST": "127.0.0.1",
        "TIDEMILL_TRITON_URL": f"127.0.0.1:{ports['triton-grpc']}",
        "TIDEMILL_MODEL_REPOSITORY": str(home.folder("triton/models")),
        "TIDEMILL_MONITOR_URL": f"http://127.0.0.1:{ports['monitor']}",
        "TIDEMILL_NOTIFIERS": str(Path(os.environ.get("TIDEMILL_NOTIFIERS") or NOTIFIERS).resolve()),
    }


def service(name: str, home: Home, ports: Mapping[str, int], settings: Mapping[str, str]) -> Part:
    """The service `name` as `python -m tidemill_<name>` with `settings` and its ports; of the caller's own TIDEMILL_
    variables those of `TAKEN` alone."""
    own_ports = {"TIDEMILL_HTTP_PORT": str(ports[name])}
    if grpc := ports.get(f"{name}-grpc"):
        own_ports["TIDEMILL_GRPC_PORT"] = str(grpc)
    taken = TAKEN.get(name, ())
    inherited = {key: value for key, value in os.environ.items() if key in taken or not key.startswith("TIDEMILL_")}
    return Part(
        name=name,
        command=(sys.executable, "-m", f"tidemill_{name}"),
        environment={**inherited, **settings, **own_ports},
        folder=home.folder(f"work/{name}"),
        ports=tuple(int(port) for port in own_ports.values()),
        is_ready=lambda: answers_ok(ports[name], "/readyz"),
        stop_seconds=float(settings["TIDEMILL_SHUTDOWN_SECONDS"]) + 5,
    )
