import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidemill_local.home import Home
from tidemill_local.part import Part
from tidemill_local.processes import Processes, listener
from tidemill_local.waiting import wait_until

STUBBORN = "import signal, sys; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
PARENT = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"


def part(folder: Path, code: str) -> Part:
    return Part("worker", (sys.executable, "-c", code), {}, folder, (), lambda: True)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    kept = Processes(Home.at(tmp_path))
    yield kept
    kept.kill("worker")


def started(processes: Processes, folder: Path, code: str) -> None:
    processes.spawn(part(folder, code))
    wait_until(lambda: processes.home.log("worker").read_text() != "", 10)


def test_a_process_is_found_by_whoever_asks_for_its_home(processes: Processes, tmp_path: Path):
    started(processes, tmp_path, PARENT)

    another = Processes(Home.at(tmp_path))

    assert another.main("worker") == processes.main("worker") is not None


def test_another_home_does_not_see_it(processes: Processes, tmp_path: Path):
    started(processes, tmp_path, PARENT)

    assert Processes(Home.at(tmp_path / "other")).all() == {}


def test_stopping_leaves_no_child_behind(processes: Processes, tmp_path: Path):
    started(processes, tmp_path, PARENT)
    assert len(processes.find("worker")) == 2

    processes.stop("worker", 0.2)

    assert processes.find("worker") == []


def test_a_process_that_ignores_the_request_is_killed(processes: Processes, tmp_path: Path):
    started(processes, tmp_path, STUBBORN)

    assert processes.stop("worker", 0.3) is False
    assert processes.main("worker") is None


def test_an_obedient_process_stops_by_itself(processes: Processes, tmp_path: Path):
    started(processes, tmp_path, "import time; print('up', flush=True); time.sleep(60)")

    assert processes.stop("worker", 10) is True


def test_the_listener_of_a_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "process" in (listener(server.getsockname()[1]) or "")
