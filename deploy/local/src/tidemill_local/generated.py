"""The code generated from `proto/`: make it, or compare it with what is committed.

`python -m tidemill_local.generated` writes it; with `--check` it exits with 1 and names the files that differ.
"""

import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tidemill_local.home import ROOT

PROTO = ROOT / "proto"
CODE = Path("libs/contracts/src/tidemill/v1")


def generate(root: Path) -> None:
    """Write the code below `root`, laid out as in the project. Raises CalledProcessError."""
    target = root / "proto"
    target.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = ["buf", "generate", "-o", str(target)]
    subprocess.run(command, cwd=PROTO, env={**os.environ, "PATH": path}, check=True)


def differences() -> list[str]:
    """Names of the generated files that are missing, left over or different in the project."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, kept = Path(folder) / CODE, ROOT / CODE
        names = {file.name for place in (fresh, kept) for file in place.glob("*_pb2*.py*")}
        same, _, _ = filecmp.cmpfiles(fresh, kept, names, shallow=False)
    return sorted(names - set(same))


def main(check: bool) -> int:
    """Check or write; returns the exit code."""
    if not check:
        generate(ROOT)
        return 0
    different = differences()
    if different:
        sys.stderr.write(f"Not what proto/ generates: {', '.join(different)}. Run python -m tidemill_local.generated\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
