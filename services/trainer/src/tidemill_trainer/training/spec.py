"""What a run is told, and the file names it leaves."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

ARTIFACTS = "artifacts"
MANIFEST = "manifest.json"
REPORT = "report.json"
RESULT = "model-trained.pb"
ERROR = "error.txt"


class Champion(BaseModel):
    """The version that serves, to be measured on the same test rows."""

    model_config = ConfigDict(frozen=True)

    version: int
    model: Path
    trained_until: datetime


class RunSpec(BaseModel):
    """Everything a run depends on. `directory` takes its files; `champion` is None if no version serves."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline_file: Path
    directory: Path
    lake_url: str
    table: str
    table_version: int
    data_version: int
    data_digest: str
    cause: int
    cause_event_id: str
    code_commit: str = ""
    image: str = ""
    champion: Champion | None = None
    parallel: int = 1
    memory_bytes: int = 8 << 30
