"""The registry's settings."""

from typing import Self

from pydantic import Field, SecretStr, model_validator
from tidemill_runtime.settings import DatabaseSettings, OperatorSettings, refuse_weak


class RegistrySettings(DatabaseSettings, OperatorSettings):
    """The common settings, the token that approvers present, and who is told of rollouts."""

    rollout_webhook: str = Field(
        default="", description="Address that is told of every move of a rollout; empty: none."
    )
    rollout_webhook_secret: SecretStr | None = Field(default=None, description="Signs what the webhook is told.")

    @model_validator(mode="after")
    def webhook_is_signed(self) -> Self:
        if self.rollout_webhook:
            secret = self.rollout_webhook_secret
            refuse_weak("TIDEMILL_ROLLOUT_WEBHOOK_SECRET", secret.get_secret_value() if secret else None)
        return self
