"""The registry's settings."""

from tidemill_runtime.settings import DatabaseSettings, OperatorSettings


class RegistrySettings(DatabaseSettings, OperatorSettings):
    """The common settings, and the token that approvers present."""
