"""docker-compose.yml and the local stack run the same services with the same settings."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tidemill_local import cli, topics
from tidemill_local.services import read_env
from tidemill_local.stack import Stack
from tidemill_runtime.settings import ServiceSettings
from typer.testing import CliRunner

Compose = dict[str, Any]
ONLY_IN_COMPOSE = {
    "TIDEMILL_ANONYMOUS",
    "TIDEMILL_CODE_COMMIT",
    "TIDEMILL_GRPC_HOST",
    "TIDEMILL_IMAGE",
    "TIDEMILL_OPERATOR_TOKEN",
}
"""Settings that have a default where everything is local: a Git repository, loopback listeners."""
SECRET = re.compile(r"\$\{\w+:\?[^}]+\}")
TRITON_ADDRESSES = re.compile(
    r"--(http|grpc|metrics)-(address|port)=|--model-repository=|--backend-|--allow-gpu-metrics="
)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    for variable in ("TIDEMILL_HOME", "TIDEMILL_PORT_OFFSET", "TIDEMILL_DATABASE_URL", "TIDEMILL_PIPELINES"):
        monkeypatch.delenv(variable, raising=False)
    return Stack(tmp_path, 0)


def settings_class(name: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"tidemill_{name}.settings")
    own = [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == module.__name__]
    [settings] = [value for value in own if issubclass(value, ServiceSettings)]
    return settings


def given(compose: Compose, root: Path, name: str) -> dict[str, str]:
    service = compose["services"][name]
    files = [read_env(root / file) for file in service["env_file"]]
    return {key: value for part in (*files, service["environment"]) for key, value in part.items()}


def of_local(stack: Stack, name: str) -> dict[str, str]:
    return {key: value for key, value in stack.environment(name).items() if key.startswith("TIDEMILL_")}


def test_both_have_the_same_services(compose: Compose, stack: Stack):
    assert {name for name, service in compose["services"].items() if "env_file" in service} == set(stack.services)


def test_a_service_reads_the_shared_settings_and_its_own(compose: Compose, service: str):
    files = compose["services"][service]["env_file"]

    assert files == ["deploy/env/common.env", f"deploy/env/{service}.env"]


def test_every_settings_file_is_used(compose: Compose, root: Path):
    used = {file for service in compose["services"].values() for file in service.get("env_file", [])}

    assert used == {str(file.relative_to(root)) for file in (root / "deploy/env").iterdir()}


def test_compose_changes_no_shared_setting(compose: Compose, root: Path, service: str):
    shared = {key for file in compose["services"][service]["env_file"] for key in read_env(root / file)}

    assert shared & set(compose["services"][service]["environment"]) == set()


def test_both_give_the_same_settings(compose: Compose, root: Path, stack: Stack):
    in_compose = {key for name in stack.services for key in given(compose, root, name)}
    in_local = {key for name in stack.services for key in of_local(stack, name)}

    assert in_compose - ONLY_IN_COMPOSE == in_local


def test_a_service_is_told_all_it_must_know_and_nothing_it_does_not_read(compose: Compose, root: Path, service: str):
    fields = settings_class(service).model_fields
    known = {f"TIDEMILL_{name.upper()}" for name in fields}
    required = {f"TIDEMILL_{name.upper()}" for name, field in fields.items() if field.is_required()}

    assert required <= set(given(compose, root, service)) <= known


def test_the_local_stack_tells_a_service_all_it_must_know(stack: Stack, service: str):
    fields = settings_class(service).model_fields

    assert {f"TIDEMILL_{name.upper()}" for name, field in fields.items() if field.is_required()} <= set(
        of_local(stack, service)
    )


def test_a_service_accepts_its_settings_in_production(
    compose: Compose, root: Path, service: str, monkeypatch: pytest.MonkeyPatch
):
    for key, value in given(compose, root, service).items():
        monkeypatch.setenv(key, SECRET.sub("f3b8a1c04d7e92", value))

    settings = settings_class(service)()

    assert settings.environment == "production"
    assert settings.http_host == "0.0.0.0"


@pytest.mark.parametrize("service", ["registry", "trainer"])
def test_a_weak_password_is_refused(compose: Compose, root: Path, service: str, monkeypatch: pytest.MonkeyPatch):
    for key, value in given(compose, root, service).items():
        monkeypatch.setenv(key, SECRET.sub("tidemill", value))

    with pytest.raises(ValueError, match="weak"):
        settings_class(service)()


def test_published_ports_are_those_of_the_settings(compose: Compose, root: Path, stack: Stack):
    for name in stack.services:
        settings = given(compose, root, name)
        own = [settings[key] for key in ("TIDEMILL_HTTP_PORT", "TIDEMILL_GRPC_PORT") if key in settings]
        assert compose["services"][name].get("ports", []) in ([], [f"127.0.0.1:{port}:{port}" for port in own]), name


def test_prometheus_asks_every_service_and_triton(compose: Compose, root: Path, stack: Stack):
    jobs = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
    ports = {name: given(compose, root, name)["TIDEMILL_HTTP_PORT"] for name in stack.services}

    assert targets == {"triton": ["triton:8002"], **{name: [f"{name}:{port}"] for name, port in ports.items()}}
    assert all("metrics" in compose["services"][name]["networks"] for name in (*targets, "prometheus"))


def test_a_service_has_time_to_drain(compose: Compose, root: Path, service: str):
    grace = int(compose["services"][service]["stop_grace_period"].removesuffix("s"))

    assert grace >= float(given(compose, root, service)["TIDEMILL_SHUTDOWN_SECONDS"]) + 5


def test_both_run_the_same_kafka(compose: Compose, root: Path):
    pom = (root / "deploy/local/kafka/pom.xml").read_text()
    version = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)</version>", pom)[1]

    assert {image_tag(compose, f"kafka-{number}") for number in (1, 2, 3)} == {version}


def test_both_start_triton_alike(compose: Compose, stack: Stack):
    local = [option for option in stack.part("triton").command[1:] if not TRITON_ADDRESSES.match(option)]
    composed = [option for option in compose["services"]["triton"]["command"][1:] if not TRITON_ADDRESSES.match(option)]

    assert composed == local


def test_topics_come_from_the_same_declaration(
    compose: Compose, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls: list[tuple[str, set[topics.Topic], int]] = []

    async def apply(bootstrap: str, wanted: list[topics.Topic], replication: int) -> list[str]:
        calls.append((bootstrap, {frozen(topic) for topic in wanted}, replication))
        return []

    monkeypatch.setattr(topics, "apply", apply)
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path))
    folders = mounts(compose["services"]["topics"], root)
    command = [on_host(word, folders) for word in compose["services"]["topics"]["command"]]

    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)

    assert result.exit_code == 0, result.output
    local = {frozen(topic) for topic in topics.declared(topics.sources(root / "examples"), topics.TOPICS)}
    bootstrap = compose["services"]["ingest"]["environment"]["TIDEMILL_KAFKA_BOOTSTRAP"]
    assert calls == [(bootstrap, local, 3)]


def frozen(topic: topics.Topic) -> tuple[str, int, frozenset[tuple[str, str]]]:
    return topic.name, topic.partitions, frozenset(topic.config.items())


def image_tag(compose: Compose, name: str) -> str:
    return compose["services"][name]["image"].rpartition(":")[2]


def mounts(service: Compose, root: Path) -> dict[str, str]:
    pairs = [
        (volume["target"], volume["source"]) if isinstance(volume, dict) else tuple(volume.split(":")[1::-1])
        for volume in service["volumes"]
    ]
    return {target: str(root / source) for target, source in pairs}


def on_host(word: str, folders: dict[str, str]) -> str:
    option, separator, value = word.partition("=")
    return f"{option}{separator}{folders.get(value, value)}"
