"""The load generators, installed where they are missing: wrk from Debian, ghz with Go."""

import os
import shutil
import subprocess

from tidemill_local.errors import StackError
from tidemill_local.home import CACHE

GHZ = "github.com/bojand/ghz/cmd/ghz@latest"
PROGRAMS = CACHE / "bin"


def wrk() -> str:
    """Path of wrk. Raises StackError when it is missing and only root could install it."""
    if found := shutil.which("wrk"):
        return found
    by_hand = "Install it: apt-get install wrk"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise StackError("wrk is missing.", by_hand)
    print("installing wrk with apt-get", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "wrk"]):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    if found := shutil.which("wrk"):
        return found
    raise StackError("apt-get did not bring wrk.", by_hand)


def ghz() -> str:
    """Path of ghz. Raises StackError when it is missing and there is no Go to build it with."""
    built = PROGRAMS / "ghz"
    if found := shutil.which("ghz"):
        return found
    if not built.exists():
        if not shutil.which("go"):
            raise StackError("ghz is missing, and so is Go to build it.", f"Install Go, then: go install {GHZ}")
        print(f"installing ghz into {PROGRAMS} with go install {GHZ}", flush=True)
        subprocess.run(["go", "install", GHZ], env={**os.environ, "GOBIN": str(PROGRAMS)}, check=True)
    return str(built)
