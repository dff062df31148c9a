"""The registry's settings."""

from typing import Self

from pydantic import Field, SecretStr, model_validator
from tidemill_runtime.settings import DatabaseSettings, refuse_weak


class RegistrySettings(DatabaseSettings):
    """The common settings, and the token that approvers present."""

    operator_token: SecretStr | None = Field(
        default=None, description="Bearer token for approve, reject and rollback; may be absent only when local."
    )

    @model_validator(mode="after")
    def operators_are_known(self) -> Self:
        if self.environment != "local":
            token = self.operator_token.get_secret_value() if self.operator_token else None
            refuse_weak("TIDEMILL_OPERATOR_TOKEN", token)
        return self
