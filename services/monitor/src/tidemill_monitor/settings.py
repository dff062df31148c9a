"""Settings of the monitor."""

from pathlib import Path

from pydantic import Field
from tidemill_runtime.settings import OperatorSettings, PipelineSettings


class MonitorSettings(PipelineSettings, OperatorSettings):
    """What the monitor needs to know."""

    flush_seconds: float = Field(default=1.0, gt=0, le=30, description="Time between two writes of state and windows.")
    approval_wait_seconds: float = Field(
        default=10.0, ge=0, description="How long predictions of a version wait for the news of its approval."
    )
    broker_patience_seconds: float = Field(default=30.0, gt=0, description="Without a broker for this long: exit.")
    notifiers: Path | None = Field(default=None, description="The notifiers' file; absent: alarms go to the log.")
    monitor_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s/]+(/[^\s]*)?$", description="Where people find this service, for links."
    )
