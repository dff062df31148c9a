"""The embedded Apache Kafka: one KRaft node, broker and controller, on loopback."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tidemill_local.background import run
from tidemill_local.broker import is_reachable
from tidemill_local.errors import StackError
from tidemill_local.home import ROOT, Home
from tidemill_local.part import Part, accepts
from tidemill_local.progress import Progress
from tidemill_local.setup import ensure_java, kafka_jars

SOURCES = ROOT / "deploy/local/kafka"
CLUSTER_ID = "dGlkZW1pbGwtbG9jYWwtMQ"
HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto")


def kafka(home: Home, ports: Mapping[str, int], progress: Progress) -> Part:
    """Kafka with its data in `home`."""
    port, controller_port = ports["kafka"], ports["kafka-controller"]
    folder = home.folder("kafka")
    properties = folder / "server.properties"
    jars = kafka_jars()
    java = ("java", *HEAP, f"-Dlog4j2.configurationFile={SOURCES / 'log4j2.properties'}", "-cp", f"{jars.path}/*")

    def prepare() -> None:
        ensure_java(progress)
        jars.ensure(progress)
        template = (SOURCES / "server.properties").read_text()
        properties.write_text(template.format(port=port, controller_port=controller_port, data=folder / "data"))
        if not (folder / "data/meta.properties").exists():
            _format(java, properties)

    return Part(
        name="kafka",
        command=(*java, "kafka.Kafka", str(properties)),
        environment=dict(os.environ),
        folder=folder,
        ports=(port, controller_port),
        is_ready=lambda: accepts(port) and run(is_reachable(f"127.0.0.1:{port}")),
        prepare=prepare,
    )


def _format(java: tuple[str, ...], properties: Path) -> None:
    tool = (*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties))
    result = subprocess.run(tool, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise StackError(
            "Kafka's storage could not be formatted.",
            f"Remove {properties.parent} to start with an empty Kafka.",
            result.stdout + result.stderr,
        )
