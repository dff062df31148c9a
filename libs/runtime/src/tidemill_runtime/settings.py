"""Typed settings from the environment, prefix `TIDEMILL_`, the same names in every service."""

import sys
from pathlib import Path
from typing import Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

WEAK_SECRETS = {"", "admin", "changeme", "password", "postgres", "secret", "tidemill"}
MIN_SECRET_LENGTH = 12


class ServiceSettings(BaseSettings):
    """What every service needs to know."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True)

    environment: Literal["local", "production"] = "production"
    kafka_bootstrap: str = Field(description="host:port, comma separated.")
    http_host: str = "127.0.0.1"
    http_port: int = Field(ge=1, le=65535)
    otlp_endpoint: str | None = Field(default=None, description="OpenTelemetry collector; absent: spans are not sent.")
    failpoint: str | None = Field(default=None, description="Where the process kills itself; local only.")
    shutdown_seconds: float = Field(default=15, gt=0, description="Time to drain after SIGTERM.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def failpoints_are_local(self) -> Self:
        if self.failpoint and self.environment != "local":
            raise ValueError("TIDEMILL_FAILPOINT is only for TIDEMILL_ENVIRONMENT=local; unset it")
        return self


class PipelineSettings(ServiceSettings):
    """For services that read pipeline files."""

    pipelines: Path = Field(description="Directory with the pipeline files.")


class OperatorSettings(ServiceSettings):
    """For services that let people decide."""

    operator_token: SecretStr | None = Field(
        default=None, description="Bearer token for what people decide; may be absent only when local."
    )

    @model_validator(mode="after")
    def operators_are_known(self) -> Self:
        if self.environment != "local":
            token = self.operator_token.get_secret_value() if self.operator_token else None
            refuse_weak("TIDEMILL_OPERATOR_TOKEN", token)
        return self


class DatabaseSettings(PipelineSettings):
    """For services that own tables."""

    database_url: SecretStr = Field(description="postgresql://user:password@host:port/database")

    @model_validator(mode="after")
    def database_is_named_by_a_url(self) -> Self:
        if not self.database_url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("TIDEMILL_DATABASE_URL must be postgresql://user:password@host:port/database")
        return self

    @model_validator(mode="after")
    def password_is_not_weak(self) -> Self:
        if self.environment != "local":
            refuse_weak("TIDEMILL_DATABASE_URL's password", urlsplit(self.database_url.get_secret_value()).password)
        return self


def refuse_weak(name: str, secret: str | None) -> None:
    """Raise ValueError if `secret` is short or well known."""
    if secret is None or secret.lower() in WEAK_SECRETS or len(secret) < MIN_SECRET_LENGTH:
        raise ValueError(f"{name} is weak; use at least {MIN_SECRET_LENGTH} random characters")


S = TypeVar("S", bound=ServiceSettings)


def load_settings(settings: type[S]) -> S:
    """The settings of the environment; prints each mistake with its variable and exits with 2 if there are any."""
    try:
        return settings()
    except ValidationError as error:
        for item in error.errors():
            variable = "TIDEMILL_" + "_".join(str(part) for part in item["loc"]).upper() if item["loc"] else "settings"
            sys.stderr.write(f"{variable}: {item['msg'].removeprefix('Value error, ')}\n")
        sys.exit(2)
