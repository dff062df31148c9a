"""`python -m tidemill_trainer.run <spec.json>`: one run; it exits with 1 and says why in a file if it fails."""

import sys
from pathlib import Path

from tidemill_contracts.loading import PipelineError
from tidemill_runtime.errors import TidemillError

from tidemill_trainer.training import process
from tidemill_trainer.training import spec as names
from tidemill_trainer.training.spec import RunSpec


def main() -> int:
    """Execute the run that the file says."""
    spec = RunSpec.model_validate_json(Path(sys.argv[1]).read_bytes())
    process.confine(spec.memory_bytes)
    process.prepare()
    # Loads for seconds, and the server loads the same at the same time.
    from tidemill_trainer.training.run import execute

    try:
        execute(spec)
    except (TidemillError, PipelineError) as error:
        (spec.directory / names.ERROR).write_text(str(error), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
