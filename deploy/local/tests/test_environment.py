from pathlib import Path

import pytest
from tidemill_local.errors import StackError
from tidemill_local.stack import Stack


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setenv("TIDEMILL_LEFTOVER", "of the caller")
    monkeypatch.delenv("TIDEMILL_DATABASE_URL", raising=False)
    return Stack(tmp_path, 400, env={"TIDEMILL_LOG_LEVEL": "debug"})


def test_a_service_is_told_the_addresses_of_its_own_stack(stack: Stack, tmp_path: Path):
    environment = stack.environment("gateway")

    assert environment["TIDEMILL_KAFKA_BOOTSTRAP"] == "127.0.0.1:19492"
    assert environment["TIDEMILL_TRITON_URL"] == "127.0.0.1:18401"
    assert environment["TIDEMILL_HTTP_PORT"] == "18480"
    assert environment["TIDEMILL_GRPC_PORT"] == "18481"
    assert environment["TIDEMILL_LAKE_URL"] == (tmp_path / "lake").as_uri()
    assert environment["TIDEMILL_ENVIRONMENT"] == "local"


def test_the_callers_own_settings_do_not_leak_into_services(stack: Stack):
    assert "TIDEMILL_LEFTOVER" not in stack.environment("ingest")


def test_the_registry_alone_takes_the_webhook_of_releases_from_its_caller(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
):
    given = {"TIDEMILL_ROLLOUT_WEBHOOK": "http://127.0.0.1:9/", "TIDEMILL_ROLLOUT_WEBHOOK_SECRET": "of twelve letters"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert given.items() <= stack.environment("registry").items()
    assert not given.keys() & stack.environment("gateway").keys()


def test_settings_given_to_one_start_win_over_the_stacks(stack: Stack):
    part = stack.part("ingest", {"TIDEMILL_LOG_LEVEL": "error", "TIDEMILL_FAILPOINT": "x"})

    assert stack.environment("ingest")["TIDEMILL_LOG_LEVEL"] == "debug"
    assert part.environment["TIDEMILL_LOG_LEVEL"] == "error"
    assert part.environment["TIDEMILL_FAILPOINT"] == "x"


def test_a_database_given_from_outside_replaces_the_embedded_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIDEMILL_DATABASE_URL", "postgresql://elsewhere/tidemill")

    stack = Stack(tmp_path, 0)

    assert "postgres" not in stack.names
    assert stack.environment("registry")["TIDEMILL_DATABASE_URL"] == "postgresql://elsewhere/tidemill"


def test_an_unknown_process_is_named_before_anything_starts(stack: Stack):
    with pytest.raises(StackError, match="nosuch"):
        stack.up(["kafka", "nosuch"])
