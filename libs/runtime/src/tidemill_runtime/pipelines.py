"""The pipeline files a service works with."""

import sys

from tidemill_contracts.loading import PipelineError, load_pipelines
from tidemill_contracts.pipeline import PipelineFile

from tidemill_runtime.settings import PipelineSettings


def read_pipelines(settings: PipelineSettings) -> dict[str, PipelineFile]:
    """The pipelines of the settings' directory by name; prints every mistake and exits with 2 if there are any."""
    try:
        return load_pipelines(settings.pipelines)
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
