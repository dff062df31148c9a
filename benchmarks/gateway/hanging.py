"""Goes behind the code of Triton's backend in the bench's own copy of it, so that one model can hang.

A model with a folder of its name in `hangs` answers nothing while that folder has a file `now`, and works on no
processor meanwhile. Every other model runs as it would without this.
"""

# mypy: ignore-errors
import time
from pathlib import Path

HANGS = Path(__file__).parents[2] / "hangs"


class TritonPythonModel(TritonPythonModel):  # noqa: F821
    def initialize(self, args):
        super().initialize(args)
        folder = HANGS / args["model_name"]
        if folder.exists():
            self.execute = self.when_released(super().execute, folder / "now")

    def when_released(self, execute, now):
        def held(requests):
            while now.exists():
                time.sleep(0.05)
            return execute(requests)

        return held
