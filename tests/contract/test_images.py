"""Each service's image holds that service, the libraries, and no other service."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tidemill_local.setup import find_uv

COMPILER = re.compile(r"^# The compiler of the data plane.*?(?=^WORKDIR)", re.MULTILINE | re.DOTALL)
FROM = re.compile(r"^FROM (\S+)", re.MULTILINE)


def test_a_service_installs_without_the_others(root: Path, service: str):
    command = [
        find_uv(),
        "export",
        "--frozen",
        "--offline",
        "--no-dev",
        "--no-hashes",
        "--package",
        f"tidemill-{service}",
    ]

    exported = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert exported.returncode == 0, exported.stderr
    members = {line.removeprefix("-e ").strip() for line in exported.stdout.splitlines() if line.startswith("-e ")}
    members |= {line.split()[0] for line in exported.stdout.splitlines() if line.startswith("./")}
    assert f"./services/{service}" in members
    own = f"./services/{service}"
    assert {member for member in members if not member.startswith(("./libs/", f"{own}/"))} == {own}


def test_dockerfiles_differ_only_in_the_services_name_and_the_gateways_compiler(root: Path):
    texts = {file.parent.name: file.read_text() for file in (root / "services").glob("*/Dockerfile")}
    texts["gateway"] = COMPILER.sub("", texts["gateway"], count=1)
    templates = {text.replace(name, "NAME") for name, text in texts.items()}

    assert len(texts) == 5
    assert len(templates) == 1


def test_an_image_copies_only_its_own_service(root: Path, service: str):
    text = (root / "services" / service / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)

    assert {source for line in copied for source in line.split() if source.startswith("services/")} == {
        f"services/{service}/pyproject.toml",
        f"services/{service}",
    }


def test_a_container_runs_its_service_as_an_ordinary_user(root: Path, service: str, compose: dict[str, Any]):
    final = (root / "services" / service / "Dockerfile").read_text().rpartition("FROM ")[2]

    assert f'CMD ["python", "-m", "tidemill_{service}"]' in final
    assert f"USER {compose['services'][service]['user']}" in final
    assert "ENTRYPOINT" not in final


def test_a_container_works_in_a_folder_it_may_write(root: Path, service: str, compose: dict[str, Any]):
    final = (root / "services" / service / "Dockerfile").read_text().rpartition("FROM ")[2]
    [folder] = re.findall(r"^WORKDIR (\S+)$", final, re.MULTILINE)

    assert folder in compose["services"][service]["tmpfs"]
    assert "PYTHONSAFEPATH=1" in final


def test_volumes_belong_to_that_user(root: Path, service: str, compose: dict[str, Any]):
    text = (root / "services" / service / "Dockerfile").read_text()
    volumes = [volume for volume in compose["services"][service].get("volumes", []) if isinstance(volume, str)]

    assert all(volume.split(":")[1] in text for volume in volumes)


@pytest.mark.parametrize("stage", [0, 1])
def test_base_images_are_pinned_by_tag(root: Path, stage: int):
    files = [*(root / "services").glob("*/Dockerfile"), root / "deploy/kafka/Dockerfile"]
    images = {FROM.findall(file.read_text())[stage] for file in files}

    assert len(images) == 1
    assert re.search(r":\d+\.\d+-", images.pop())


def test_images_carry_the_version_of_their_package(root: Path, service: str, compose: dict[str, Any]):
    version = tomllib.loads((root / "services" / service / "pyproject.toml").read_text())["project"]["version"]

    assert compose["services"][service]["image"] == f"tidemill-{service}:{version}"
    assert compose["services"][service]["build"]["dockerfile"] == f"services/{service}/Dockerfile"
