"""What the stack must know of a process to keep it."""

import http.client
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One process of the stack and how to start it, know it ready, and stop it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    ports: tuple[int, ...]
    is_ready: Callable[[], bool]
    prepare: Callable[[], None] = lambda: None
    """Makes what the process needs and clears what a crashed predecessor left; called while it is not running."""
    start_seconds: float = 60
    stop_seconds: float = 20
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None


def answers_ok(port: int, path: str) -> bool:
    """Whether GET `path` on the loopback `port` answers 200 within 2 seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(port: int) -> bool:
    """Whether something accepts TCP connections on the loopback `port`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
