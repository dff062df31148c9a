"""The embedded stack: Kafka, PostgreSQL, Triton and the services, as processes of this machine."""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tidemill_local import topics
from tidemill_local.background import run
from tidemill_local.errors import StackError
from tidemill_local.home import ROOT, Home, ports
from tidemill_local.kafka import kafka
from tidemill_local.locks import locked
from tidemill_local.logfiles import length, tail
from tidemill_local.part import Part
from tidemill_local.postgres import postgres, url
from tidemill_local.processes import Processes, listener
from tidemill_local.progress import Progress, silent
from tidemill_local.services import addresses, service, service_settings
from tidemill_local.triton import triton
from tidemill_local.waiting import wait_until

POLL_SECONDS = 0.1
RELEASE_SECONDS = 3.0
GONE_SECONDS = 1.0
"""A process that replaces its program shows no environment for a moment: only one unseen for this long has ended."""
INFRASTRUCTURE = ("kafka", "postgres", "triton")


class Stack:
    """A stack in one home. Every call blocks; all of them are idempotent and survive a crashed predecessor.

    `home`: its folder (default: TIDEMILL_HOME, else `.tidemill`). `port_offset`: added to every port, so that stacks
    live side by side (default: TIDEMILL_PORT_OFFSET, else the one of the last `up`). `pipelines`: folder with
    `*/pipeline.yaml` (default: TIDEMILL_PIPELINES, else `examples`). `progress`: told of each step.
    `env`: settings given to every service over the usual ones.
    """

    def __init__(
        self,
        home: Home | Path | str | None = None,
        port_offset: int | None = None,
        *,
        pipelines: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        progress: Progress = silent,
    ) -> None:
        self.home = home if isinstance(home, Home) else Home.at(home)
        self.port_offset = self.home.port_offset(port_offset)
        self.pipelines = Path(pipelines or os.environ.get("TIDEMILL_PIPELINES") or ROOT / "examples").resolve()
        self.settings = service_settings()
        self.ports = ports(self.settings, self.port_offset)
        self.processes = Processes(self.home)
        self._env = dict(env or {})
        self._progress = progress
        self._external_database = os.environ.get("TIDEMILL_DATABASE_URL")

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the project's services."""
        return tuple(self.settings)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all processes, in the order they start."""
        own = (name for name in INFRASTRUCTURE if not (name == "postgres" and self._external_database))
        return (*own, *self.services)

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return f"127.0.0.1:{self.ports['kafka']}"

    @property
    def database_url(self) -> str:
        """The database's URL, with its password: TIDEMILL_DATABASE_URL, else the embedded PostgreSQL's."""
        return self._external_database or url(self.home, self.ports["postgres"])

    def http_url(self, service: str) -> str:
        """Base URL of a service's HTTP listener."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def environment(self, name: str) -> dict[str, str]:
        """The environment the process `name` starts with."""
        return dict(self.part(name).environment)

    def up(self, services: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> None:
        """Start what of `services` (default: everything) is not running, and wait until all of it is ready.

        `env` is given to every service started here. Raises StackError with the culprit's log and the cure.
        """
        wanted = self._known(services)
        with locked(self.home.path / "lock"):
            self.home.record_port_offset(self.port_offset)
            self._start_together([self.part(name) for name in wanted if name in INFRASTRUCTURE])
            if "kafka" in wanted:
                self.create_topics()
            self._start_together([self.part(name, env) for name in wanted if name not in INFRASTRUCTURE])

    def down(self, services: Sequence[str] | None = None) -> None:
        """Stop `services` (default: everything), the services first; each is killed if it outlives its deadline."""
        wanted = self._known(services)
        with locked(self.home.path / "lock"):
            self._stop_together([name for name in wanted if name not in INFRASTRUCTURE])
            for name in reversed(INFRASTRUCTURE):
                if name in wanted:
                    self.stop(name)
            for unknown in self.processes.all() if services is None else ():
                self.kill(unknown)

    def start(self, name: str, env: Mapping[str, str] | None = None) -> None:
        """Start one process if it is not running, with `env` over its settings, and wait until it is ready."""
        self._known([name])
        self._start_together([self.part(name, env)])

    def launch(self, name: str, env: Mapping[str, str] | None = None) -> None:
        """Start one process without waiting for it: for one that is meant to die on the way."""
        self._launch(self.part(name, env))

    def stop(self, name: str) -> None:
        """Stop one process in an orderly way; kill it if it outlives its deadline."""
        if not self.processes.find(name):
            return
        part = self.part(name)
        self._progress(name, "stopping")
        if self.processes.stop(name, part.stop_seconds, part.stop_signal):
            self._progress(name, "stopped")
        else:
            self._progress(name, f"killed: it did not stop within {part.stop_seconds:g} s")

    def kill(self, name: str) -> None:
        """SIGKILL one process and its children."""
        self.processes.kill(name)

    def is_running(self, name: str) -> bool:
        """Whether the process lives; it may not be ready."""
        return self.processes.main(name) is not None

    def is_ready(self, name: str) -> bool:
        """Whether the process lives and does its work."""
        return self.is_running(name) and self.part(name).is_ready()

    def wait_exit(self, name: str, timeout: float = 30) -> None:
        """Wait until the process has ended by itself. Raises TimeoutError after `timeout` seconds."""
        self.processes.wait_exit(name, timeout)

    def resident_memory(self) -> dict[str, int]:
        """Bytes of resident memory by process name, children included, shared pages counted once."""
        return self.processes.resident_memory()

    def create_topics(self) -> list[str]:
        """Create the declared topics that are missing; returns their names."""
        created = run(topics.apply(self.bootstrap, topics.declared(topics.sources(self.pipelines))))
        if created:
            self._progress("topics", f"{len(created)} created")
        return created

    def part(self, name: str, env: Mapping[str, str] | None = None) -> Part:
        """What the stack knows of the process `name`, a service with `env` over its settings."""
        match name:
            case "kafka":
                return kafka(self.home, self.ports, self._progress)
            case "postgres":
                return postgres(self.home, self.ports["postgres"], self._progress)
            case "triton":
                return triton(self.home, self.ports, self._progress)
        where = addresses(self.home, self.ports, self.database_url, self.pipelines)
        settings = {**self.settings[name], **where, **self._env, **(env or {})}
        return service(name, self.home, self.ports, settings)

    def _known(self, names: Sequence[str] | None) -> tuple[str, ...]:
        unknown = set(names or ()) - set(self.names)
        if unknown:
            raise StackError(f"Unknown: {', '.join(sorted(unknown))}.", f"There are {', '.join(self.names)}.")
        return tuple(name for name in self.names if names is None or name in names)

    def _start_together(self, parts: Sequence[Part]) -> None:
        launched = {part.name: self._launch(part) for part in parts}
        begun = time.monotonic()
        waiting = list(parts)
        last_seen = dict.fromkeys(launched, begun)
        while waiting:
            now = time.monotonic()
            last_seen.update(dict.fromkeys(self.processes.all(), now))
            for part in list(waiting):
                if part.is_ready():
                    waiting.remove(part)
                    self._progress(part.name, "ready")
                elif now - last_seen[part.name] > GONE_SECONDS:
                    raise self._failure(part, "ended while it started", launched[part.name])
                elif time.monotonic() - begun > part.start_seconds:
                    raise self._failure(part, f"is not ready after {part.start_seconds:g} s", launched[part.name])
            time.sleep(POLL_SECONDS if waiting else 0)

    def _launch(self, part: Part) -> int:
        """Start `part` unless it runs; returns how long its log was before."""
        log = length(self.home.log(part.name))
        if self.is_running(part.name):
            return log
        self.processes.kill(part.name)
        for port in part.ports:
            if occupant := _occupant(port):
                raise StackError(
                    f"{part.name} needs port {port}, which {occupant} uses.",
                    "Stop that process, or choose another --port-offset.",
                )
        part.prepare()
        self._progress(part.name, "starting")
        self.processes.spawn(part)
        return log

    def _failure(self, part: Part, what: str, since: int) -> StackError:
        log = self.home.log(part.name)
        return StackError(
            f"{part.name} {what}.",
            f"Read {log}, then `./tidemill up` again: it goes on from here.",
            tail(log, since=since),
        )

    def _stop_together(self, names: Sequence[str]) -> None:
        if names:
            with ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(self.stop, names))


def _occupant(port: int) -> str | None:
    """Who holds `port`; a process that was just killed is given a moment to let go of it."""
    with suppress(TimeoutError):
        wait_until(lambda: listener(port) is None, RELEASE_SECONDS)
    return listener(port)
