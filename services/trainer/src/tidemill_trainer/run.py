"""`python -m tidemill_trainer.run <spec.json>`: one training run; exits with 1 and the reason in `error.txt` if it fails."""

import sys
from pathlib import Path

from tidemill_contracts.loading import PipelineError
from tidemill_runtime.errors import TidemillError

from tidemill_trainer.training import spec as names
from tidemill_trainer.training.process import confine
from tidemill_trainer.training.run import execute
from tidemill_trainer.training.spec import RunSpec


def main() -> int:
    """Execute the run that the file says."""
    spec = RunSpec.model_validate_json(Path(sys.argv[1]).read_bytes())
    confine(spec.memory_bytes)
    try:
        execute(spec)
    except (TidemillError, PipelineError) as error:
        (spec.directory / names.ERROR).write_text(str(error), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
