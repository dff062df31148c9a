"""The embedded Kafka, PostgreSQL and Triton, as real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tidemill_local.background import run
from tidemill_local.errors import StackError
from tidemill_local.offsets import end_offsets
from tidemill_local.processes import listener
from tidemill_local.stack import INFRASTRUCTURE, Stack

pytestmark = pytest.mark.stack
OFFSET = 3000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    embedded = Stack(tmp_path_factory.mktemp("home"), OFFSET, pipelines=tmp_path_factory.mktemp("pipelines"))
    yield embedded
    embedded.down()


def test_up_starts_all_three_and_creates_the_topics(stack: Stack):
    stack.up(INFRASTRUCTURE)

    assert all(stack.is_ready(name) for name in INFRASTRUCTURE)
    assert "routes" in run(end_offsets(stack.bootstrap))


def test_up_again_changes_nothing(stack: Stack):
    before = {name: stack.processes.main(name) for name in INFRASTRUCTURE}

    stack.up(INFRASTRUCTURE)

    assert {name: stack.processes.main(name) for name in INFRASTRUCTURE} == before


@pytest.mark.parametrize("name", INFRASTRUCTURE)
def test_up_brings_back_what_was_killed_with_its_data(stack: Stack, name: str):
    stack.kill(name)
    assert not stack.is_running(name)

    stack.up(INFRASTRUCTURE)

    assert stack.is_ready(name)
    assert "routes" in run(end_offsets(stack.bootstrap))


def test_a_port_taken_by_someone_else_is_blamed_on_them(stack: Stack, tmp_path: Path):
    intruder = Stack(tmp_path, OFFSET)

    with pytest.raises(StackError, match=r"postgres needs port .* process \d+"):
        intruder.start("postgres")


def test_a_stack_whose_home_holds_another_does_not_touch_it(stack: Stack):
    outer = Stack(stack.home.path.parent, OFFSET + 50)

    assert outer.processes.all() == {}


def test_down_leaves_no_process_and_no_port(stack: Stack):
    stack.down()

    assert stack.processes.all() == {}
    assert not [name for name in ("kafka", "postgres", "triton-grpc") if listener(stack.ports[name])]
