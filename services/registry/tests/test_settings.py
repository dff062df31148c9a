import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from tidemill_registry.settings import RegistrySettings

STRONG = "k3Jx9-vQ2mZ7pW"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TIDEMILL_")]:
        monkeypatch.delenv(name)


def settings(environment: str, token: str | None) -> RegistrySettings:
    return RegistrySettings(
        environment=environment,
        kafka_bootstrap="127.0.0.1:19092",
        http_port=18030,
        pipelines=Path(),
        database_url=SecretStr(f"postgresql://tidemill:{STRONG}@127.0.0.1:15432/tidemill"),
        operator_token=SecretStr(token) if token is not None else None,
    )


@pytest.mark.parametrize("token", [None, "", "admin", "short"])
def test_in_production_operators_need_a_strong_token(token: str | None):
    settings("local", token)
    with pytest.raises(ValidationError, match="TIDEMILL_OPERATOR_TOKEN is weak"):
        settings("production", token)


def test_a_strong_token_is_taken_and_never_shown():
    assert STRONG not in repr(settings("production", STRONG))
