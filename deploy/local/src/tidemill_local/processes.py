"""The stack's processes, found by what their environment says.

There are no pid files: a process belongs to a stack because TIDEMILL_STACK names the stack's home and
TIDEMILL_PROCESS the process, for itself and for all it starts. That stays true after any crash.
"""

import os
import pwd
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tidemill_local.home import Home
from tidemill_local.part import Part
from tidemill_local.waiting import wait_until

STACK, PROCESS = "TIDEMILL_STACK", "TIDEMILL_PROCESS"
LARGEST_LOG = 50_000_000


class Processes:
    """The processes of the stack at `home`."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def all(self) -> dict[str, list[psutil.Process]]:
        """Every live process of the stack by name, children included, the oldest first."""
        mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.process_iter():
            if process.pid not in mine and (name := self._name(process)):
                found.setdefault(name, []).append(process)
        return found

    def find(self, name: str) -> list[psutil.Process]:
        """Every live process called `name`, its children included."""
        return self.all().get(name, [])

    def main(self, name: str) -> psutil.Process | None:
        """The process that was started as `name`: the one that leads its session; children do not count."""
        return next((process for process in self.find(name) if _leads_session(process)), None)

    def spawn(self, part: Part) -> None:
        """Start `part` detached, in its own session, its output appended to its log."""
        log = self.home.log(part.name)
        if log.exists() and log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        owner = pwd.getpwnam(part.user) if part.user else None
        with log.open("ab") as output:
            subprocess.run(
                ["setsid", "--fork", *part.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**part.environment, STACK: str(self.home.path), PROCESS: part.name},
                cwd=part.folder,
                check=True,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
            )
        with suppress(TimeoutError):
            wait_until(lambda: self.main(part.name) is not None, 2)

    def stop(self, name: str, seconds: float, with_signal: signal.Signals = signal.SIGTERM) -> bool:
        """Ask `name` to end, give it `seconds`, then kill what is left of it. True if it ended by itself."""
        main = self.main(name)
        if main is not None:
            _send(main, with_signal)
        gone = self._wait_gone(name, seconds if main else 0)
        self.kill(name)
        return gone

    def kill(self, name: str) -> None:
        """Kill `name` and its children, and wait until they are gone."""
        for process in self.find(name):
            _send(process, signal.SIGKILL)
        self._wait_gone(name, 10)

    def wait_exit(self, name: str, seconds: float) -> None:
        """Wait until the main process `name` is gone. Raises TimeoutError."""
        wait_until(lambda: self.main(name) is None, seconds)

    def resident_memory(self) -> dict[str, int]:
        """Bytes of memory by process name; what processes share is divided among them (PSS), children are added."""
        return {name: sum(map(_memory, processes)) for name, processes in self.all().items()}

    def _wait_gone(self, name: str, seconds: float) -> bool:
        with suppress(TimeoutError):
            wait_until(lambda: not self.find(name), seconds)
            return True
        return False

    def _name(self, process: psutil.Process) -> str | None:
        try:
            environment = process.environ()
            if environment.get(STACK) == str(self.home.path):
                return environment.get(PROCESS)
            if process.name() == "postgres" and Path(process.cwd()) == self.home.path / "postgres/data":
                return "postgres"  # the server's children overwrite their environment with a title
        except (psutil.Error, OSError):
            return None
        return None


def listener(port: int) -> str | None:
    """Who listens on TCP `port` of this machine, for people; None if nobody."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return _describe(connection.pid)
    return None


def _describe(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    with suppress(psutil.Error):
        return f"process {pid} ({' '.join(psutil.Process(pid).cmdline())[:100]})"
    return f"process {pid}"


def _leads_session(process: psutil.Process) -> bool:
    with suppress(OSError):
        return os.getsid(process.pid) == process.pid
    return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _memory(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        try:
            return int(process.memory_full_info().pss)
        except (psutil.AccessDenied, AttributeError):
            return int(process.memory_info().rss)
    return 0
