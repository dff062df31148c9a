"""docker-compose.yml: valid, confined, pinned, without secrets."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

Compose = dict[str, Any]
SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|DATABASE_URL")
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


@pytest.fixture(scope="module")
def schema(root: Path) -> jsonschema.Draft202012Validator:
    content = json.loads((root / "tests/contract/compose-spec/compose-spec.json").read_text())
    return jsonschema.Draft202012Validator(content)


def environments(compose: Compose) -> list[tuple[str, str, str]]:
    return [
        (name, key, value)
        for name, service in compose["services"].items()
        for key, value in service.get("environment", {}).items()
    ]


def test_it_follows_the_compose_specification(compose: Compose, schema: jsonschema.Draft202012Validator):
    assert [f"{error.json_path}: {error.message}" for error in schema.iter_errors(compose)] == []


def test_the_schema_refuses_a_misspelled_key(compose: Compose, schema: jsonschema.Draft202012Validator):
    compose["services"]["gateway"]["enviroment"] = {}

    assert not schema.is_valid(compose)


def test_what_a_service_refers_to_is_declared(compose: Compose, root: Path):
    for name, service in compose["services"].items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        for source in map(volume_source, service.get("volumes", [])):
            assert (root / source).exists() if source.startswith("./") else source in compose["volumes"], (name, source)


def test_every_volume_is_used(compose: Compose):
    used = {volume_source(volume) for service in compose["services"].values() for volume in service.get("volumes", [])}

    assert set(compose["volumes"]) <= used


def test_every_dependency_is_waited_for(compose: Compose):
    for name, service in compose["services"].items():
        for other, dependency in service.get("depends_on", {}).items():
            if dependency["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][other], (name, other)
            else:
                assert dependency["condition"] == "service_completed_successfully", (name, other)
                assert compose["services"][other]["restart"].startswith("on-failure"), (name, other)


def test_a_service_starts_after_the_topics_exist(compose: Compose, service: str):
    waits = compose["services"][service]["depends_on"]

    assert waits["topics"]["condition"] == "service_completed_successfully"
    assert {name for name in waits if name.startswith("kafka-")} == {"kafka-1", "kafka-2", "kafka-3"}


def test_a_service_is_healthy_when_it_is_ready(compose: Compose, service: str):
    assert "/readyz" in compose["services"][service]["healthcheck"]["test"][-1]


def test_every_container_is_confined(compose: Compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert int(service["user"].split(":")[0]) > 0, name
        assert service["restart"] in {"unless-stopped", "on-failure:5"}, name


def test_ports_are_published_on_loopback_only(compose: Compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}

    assert set(published) == {"gateway", "ingest", "monitor", "registry", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_only_what_is_published_can_be_reached_from_outside(compose: Compose):
    inside = {name for name, network in compose["networks"].items() if network.get("internal")}

    for name, service in compose["services"].items():
        assert ("ports" in service) == bool(set(service["networks"]) - inside), name


def test_images_are_pinned_by_tag(compose: Compose):
    for name, service in compose["services"].items():
        _, _, tag = service["image"].rpartition(":")
        assert re.match(r"v?\d+\.\d+", tag), (name, service["image"])


def test_there_are_no_secrets_in_the_file(compose: Compose):
    secrets = [item for item in environments(compose) if SECRET.search(item[1])]

    assert {name for name, _, _ in secrets} == {"grafana", "monitor", "postgres", "registry", "trainer"}
    assert [item for item in secrets if not REQUIRED.search(item[2])] == []


def test_no_variable_has_a_default(root: Path):
    used = re.findall(r"\$\{(\w+)([^}]*)\}", (root / "docker-compose.yml").read_text())

    assert used
    assert [name for name, rest in used if not rest.startswith(":?")] == []


def test_the_example_of_env_names_every_secret_and_gives_none(root: Path):
    lines = (root / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    assert set(given) == set(REQUIRED.findall((root / "docker-compose.yml").read_text()))
    assert set(given.values()) == {""}


def test_env_is_not_in_the_repository(root: Path):
    assert ".env" in (root / ".gitignore").read_text().splitlines()
    assert "**/.env" in (root / ".dockerignore").read_text().splitlines()


def test_kafka_keeps_three_copies_and_creates_no_topic_by_itself(compose: Compose):
    brokers = [service for name, service in compose["services"].items() if name.startswith("kafka-")]

    assert len(brokers) == 3
    assert {broker["environment"]["KAFKA_NODE_ID"] for broker in brokers} == {"1", "2", "3"}
    for broker in brokers:
        assert broker["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
        assert broker["environment"]["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
        assert broker["environment"]["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "3"
        assert broker["networks"] == ["bus"]


def test_triton_has_the_gpu_and_cannot_change_its_models(compose: Compose):
    triton = compose["services"]["triton"]
    devices = triton["deploy"]["resources"]["reservations"]["devices"]

    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert [volume["read_only"] for volume in triton["volumes"]] == [True]


def test_grafana_finds_its_data_source_and_its_dashboard(compose: Compose, root: Path):
    mounts = dict(volume.split(":")[:2][::-1] for volume in compose["services"]["grafana"]["volumes"])
    provider = yaml.safe_load((root / "deploy/grafana/providers/tidemill.yml").read_text())["providers"][0]
    source = yaml.safe_load((root / "deploy/grafana/datasources/prometheus.yml").read_text())["datasources"][0]
    board = json.loads((root / "deploy/grafana/dashboards/loop.json").read_text())

    assert mounts[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert board["title"] == "Tidemill: the loop"
    assert {panel["datasource"]["uid"] for panel in board["panels"] if panel["type"] != "row"} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"


def volume_source(volume: str | dict[str, Any]) -> str:
    return volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
