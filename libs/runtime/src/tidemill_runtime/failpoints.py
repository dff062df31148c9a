"""Named places where a test kills the process: `TIDEMILL_FAILPOINT=<name>`, only where the settings allow it."""

import os
import signal

_armed: str | None = None


def arm(name: str | None) -> None:
    """Kill the process at `name`; None disarms."""
    global _armed
    _armed = name


def hit(name: str) -> None:
    """The place `name`: SIGKILL to oneself if it is armed, nothing otherwise."""
    if _armed == name:
        os.kill(os.getpid(), signal.SIGKILL)
