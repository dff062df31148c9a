from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError
from tidemill_runtime.settings import DatabaseSettings, PipelineSettings, ServiceSettings, load_settings

STRONG = "k3Jx9-vQ2mZ7pW"
COMMON = {"kafka_bootstrap": "127.0.0.1:19092", "http_port": 18030}


class Tuned(ServiceSettings):
    tolerance: float = Field(default=1, gt=0)


def database(environment: str, password: str) -> DatabaseSettings:
    url = SecretStr(f"postgresql://tidemill:{password}@127.0.0.1:15432/tidemill")
    return DatabaseSettings(environment=environment, database_url=url, pipelines=Path(), **COMMON)


@pytest.mark.parametrize("password", ["", "tidemill", "Postgres", "short-one", "a" * 11])
def test_a_weak_password_is_refused_in_production_only(password: str):
    database("local", password)
    with pytest.raises(ValidationError, match="TIDEMILL_DATABASE_URL's password is weak; use at least 12 random"):
        database("production", password)


def test_a_strong_password_is_taken_and_never_shown():
    settings = database("production", STRONG)

    assert STRONG in settings.database_url.get_secret_value()
    assert STRONG not in repr(settings)


@pytest.mark.parametrize("url", ["", "mysql://tidemill:secret@127.0.0.1/tidemill", "127.0.0.1:5432"])
def test_what_is_no_postgresql_url_is_refused(url: str):
    with pytest.raises(ValidationError, match="must be postgresql://user:password@host:port/database"):
        DatabaseSettings(environment="local", database_url=SecretStr(url), pipelines=Path(), **COMMON)


def test_a_failpoint_is_only_for_the_local_environment():
    assert ServiceSettings(environment="local", failpoint="here", **COMMON).failpoint == "here"
    with pytest.raises(ValidationError, match="TIDEMILL_FAILPOINT is only for TIDEMILL_ENVIRONMENT=local; unset it"):
        ServiceSettings(environment="production", failpoint="here", **COMMON)


def test_nothing_said_means_production():
    assert ServiceSettings(**COMMON).environment == "production"


def test_settings_come_from_prefixed_variables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIDEMILL_KAFKA_BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("TIDEMILL_HTTP_PORT", "8080")
    monkeypatch.setenv("TIDEMILL_TOLERANCE", "0.5")

    settings = load_settings(Tuned)

    assert (settings.kafka_bootstrap, settings.http_port, settings.tolerance) == ("kafka:9092", 8080, 0.5)


def test_mistakes_are_told_by_variable_and_end_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("TIDEMILL_HTTP_PORT", "eighty")

    with pytest.raises(SystemExit) as ended:
        load_settings(PipelineSettings)

    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert lines[:2] == [
        "TIDEMILL_KAFKA_BOOTSTRAP: Field required",
        "TIDEMILL_HTTP_PORT: Input should be a valid integer, unable to parse string as an integer",
    ]
    assert lines[2] == "TIDEMILL_PIPELINES: Field required"


def test_a_mistake_does_not_show_the_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("TIDEMILL_KAFKA_BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("TIDEMILL_HTTP_PORT", "8080")
    monkeypatch.setenv("TIDEMILL_PIPELINES", ".")
    monkeypatch.setenv("TIDEMILL_DATABASE_URL", "postgresql://tidemill:hunter2@db/tidemill")

    with pytest.raises(SystemExit):
        load_settings(DatabaseSettings)

    told = capsys.readouterr().err
    assert "TIDEMILL_DATABASE_URL's password is weak" in told
    assert "hunter2" not in told
