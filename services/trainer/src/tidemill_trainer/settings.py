"""The trainer's settings."""

from pydantic import Field
from tidemill_runtime.settings import DatabaseSettings


class TrainerSettings(DatabaseSettings):
    """The common settings, where data and artifacts are, and how much a run may take."""

    lake_url: str = Field(description="file:///… or s3://…: root of the Delta tables.")
    artifacts_url: str = Field(description="file:///… or s3://…: root of the artifact store.")
    image: str = Field(default="", description="Container image that the trainer runs in, where it runs in one.")
    code_commit: str = Field(default="", description="Commit of the training code, where it is not in a repository.")
    trainer_run_seconds: float = Field(default=1800, gt=0, description="A run that takes longer is ended and fails.")
    trainer_memory_bytes: int = Field(default=8 << 30, ge=1 << 30, description="Memory of one process of a run.")
    trainer_parallel: int = Field(default=2, ge=1, description="Candidates trained at the same time.")
    trainer_lease_seconds: float = Field(
        default=30, gt=1, description="A run whose trainer is silent longer is redone."
    )
    trainer_poll_seconds: float = Field(default=0.2, gt=0, description="Pause between looks for queued runs.")
