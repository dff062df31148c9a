"""Runs a training in a process of its own, so that training code can neither block nor break the service."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tidemill_trainer.training.process import ENVIRONMENT

ERROR_TAIL_BYTES = 4_000
END_SECONDS = 5


class ChildFailed(Exception):
    """The process did not end well; the text says how, with the end of what it wrote."""


async def run_child(
    arguments: list[str], log: Path, seconds: float, environment: Mapping[str, str] = ENVIRONMENT
) -> None:
    """Run `python <arguments>`, its output in `log`; ends it, and all it started, when cancelled or out of time.

    Raises ChildFailed unless it exits with 0.
    """
    with log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                code = await child.wait()
        except TimeoutError:
            raise ChildFailed(f"not done after {seconds:g} seconds") from None
        finally:
            await _end(child)
    if code != 0:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise ChildFailed(f"{how}: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_bytes()[-ERROR_TAIL_BYTES:].decode("utf-8", "replace").strip()


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill the whole process group, so that no candidate's process outlives the run."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    async with asyncio.timeout(END_SECONDS):
        await child.wait()
