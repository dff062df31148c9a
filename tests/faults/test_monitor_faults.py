"""The monitor under faults, on a real Kafka: the ledger of windows balances, no alarm is lost or doubled.

Each model is sent the same stream and suffers another fault; all of them must come to what the steady one came to.
"""

import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from monitor_stack import FIRST, LEAD, SECOND, MonitorStack, until
from pane_ledger import Seen, expected_panes, imbalances, letters, state_of
from poison import poison
from tideline import LATENESS, MINUTE, PANE, PANES, START, Sent, Stream, rows_of, truth_batch
from tidemill.v1.monitoring_pb2 import DRIFT_KIND_INPUT, DRIFT_KIND_PERFORMANCE
from tidemill.v1.prediction_pb2 import PredictionBatch
from tidemill_contracts import topics
from tidemill_local.home import ROOT
from webhook import Receiver, receiving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400), pytest.mark.asyncio(loop_scope="session")]

PORT_OFFSET = int(os.environ.get("TIDEMILL_TEST_PORT_OFFSET", "2000")) + 300
MODELS = ("steady", "poisoned", "skewed", "flooded", "killed", "shared", "stopped")
YEAR = 365 * 24 * 60 * MINUTE
WINDOW_PANES = 4
LATE_PANES = 3


@dataclass(frozen=True)
class Outcome:
    """What the steady model came to: events and windows."""

    seen: Seen
    windows: list[dict[str, Any]]


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def monitors(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> AsyncIterator[MonitorStack]:
    async with MonitorStack(tmp_path_factory.mktemp("monitors"), PORT_OFFSET, MODELS, receiver.url) as stack:
        stack.start()
        yield stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def steady(monitors: MonitorStack) -> Outcome:
    """The stream without any fault."""
    stream = Stream("steady")
    await monitors.feed(stream)
    return Outcome(await monitors.balanced(stream), await monitors.windows(stream.model))


async def same(monitors: MonitorStack, model: str, steady: Outcome) -> None:
    """A model has come to what the steady one came to."""
    await monitors.balanced(Stream(model), steady.seen)
    assert await monitors.windows(model) == steady.windows


async def test_windows_and_alarms_are_those_of_the_stream(steady: Outcome) -> None:
    panes = expected_panes(Stream("steady"))
    complete = START + (PANES - 1) * PANE - LATENESS
    windows = [START + first * PANE for first in range(0, PANES, WINDOW_PANES)]
    judged = [start for start in windows if start + WINDOW_PANES * PANE <= complete]
    assert [one["rows"] for one in steady.windows] == [
        _sum(panes, at, "predictions") - _sum(panes, at, "errors") for at in judged
    ]
    for start, window in zip(judged, steady.windows, strict=True):
        if window["performance"] is not None:
            for name in ("predictions", "errors", "labelled"):
                assert window["performance"][name] == _sum(panes, start, name)
    assert sum(window["performance"] is None for window in steady.windows) == 1
    kinds = sorted(name.split("/")[0] for name in steady.seen.alarms)
    assert kinds == [str(DRIFT_KIND_INPUT), str(DRIFT_KIND_PERFORMANCE)]
    assert len(steady.seen.evidence) == PANES


async def test_poison_is_put_aside_once_and_changes_nothing(monitors: MonitorStack, steady: Outcome) -> None:
    stream = Stream("poisoned")
    await monitors.feed(stream, 0, 26)
    expected: Counter[tuple[str, int, int, str]] = Counter()
    for number, bad in enumerate(poison("poisoned")):
        place = None if bad.topic in (topics.MONITOR_WINDOWS, topics.DRIFT_DETECTED) else number % 4
        partition, offset = await monitors.log.send_raw(bad.topic, bad.value, place, b"poison", bad.headers)
        expected[bad.topic, partition, offset, bad.group] = 1
    await monitors.feed(stream, 26)
    await same(monitors, "poisoned", steady)

    async def all_put_aside() -> bool:
        await monitors.log.refresh()
        return letters(monitors.log) == expected

    try:
        await until(all_put_aside, "each is in the dead letters once")
    except TimeoutError:
        found = letters(monitors.log)
        raise AssertionError(f"lost {expected - found}, too many {found - expected}") from None


async def test_clock_skew_is_counted_and_moves_nothing(monitors: MonitorStack, steady: Outcome) -> None:
    stream = Stream("skewed")
    await monitors.feed(stream, 0, 26)
    ahead = {f"ahead-{number}": START + (20 + number) * YEAR for number in range(40)} | {"end": 2**63 - 1}
    behind = {f"behind-{number}": START - (1 + number) * YEAR for number in range(60)} | {"zero": 0, "one": -1}
    await monitors.send(stream.strangers(ahead) + stream.strangers(behind))
    await monitors.feed(stream, 26)
    await same(monitors, "skewed", steady)
    outcomes = {"future": len(ahead), "late": len(behind), "taken": 0}
    for outcome in ("future", "late"):
        counted = await monitors.counter("tidemill_monitor_labels_total", model="skewed", outcome=outcome)
        assert counted == outcomes[outcome], outcome


async def test_a_late_flood_counts_where_it_belongs_or_not_at_all(monitors: MonitorStack, steady: Outcome) -> None:
    stream = Stream("flooded")
    for pane in range(PANES):
        await _flood(monitors, stream, pane)
    await monitors.send(stream.truths(START + (PANES - 4) * PANE, START + (PANES - 1) * PANE))
    old = {f"old-{number}": START + number * MINUTE // 10 for number in range(3000)}
    batches = stream.strangers(old)
    await monitors.send(batches)
    await monitors.send(_truths_of(batches, stream.model))
    await same(monitors, "flooded", steady)
    assert await monitors.counter("tidemill_monitor_labels_total", model="flooded", outcome="late") == len(old)


async def test_killed_at_any_point_it_goes_on_where_it_was(monitors: MonitorStack, steady: Outcome) -> None:
    stream = Stream("killed")
    await monitors.feed(stream, 0, 10)
    await monitors.feed(stream, 10, 11, paced=False)
    monitors.kill()
    await monitors.feed(stream, 11, 13, paced=False)
    monitors.start()
    await monitors.feed(stream, 13, 42)
    pane = 42
    for failpoint in _failpoints():
        monitors.stop()
        monitors.launch(failpoint=failpoint)
        pane = await monitors.feed_to_death(stream, pane)
    monitors.start()
    await monitors.feed(stream, pane)
    await same(monitors, "killed", steady)


async def test_workers_come_and_go_within_a_window(monitors: MonitorStack, steady: Outcome) -> None:
    stream = Stream("shared")
    await monitors.feed(stream, 0, 10)
    monitors.launch(SECOND)
    await monitors.feed(stream, 10, 22)
    monitors.ready(SECOND)
    monitors.stop(FIRST)
    await monitors.feed(stream, 22, 34)
    monitors.launch(FIRST)
    await monitors.feed(stream, 34, 44)
    monitors.ready(FIRST)
    monitors.kill(SECOND)
    await monitors.feed(stream, 44)
    await same(monitors, "shared", steady)


async def test_a_full_stop_loses_nothing(monitors: MonitorStack, steady: Outcome) -> None:
    stream = Stream("stopped")
    await monitors.feed(stream, 0, 36)
    monitors.stop()
    await monitors.feed(stream, 36, paced=False)
    monitors.start()
    await same(monitors, "stopped", steady)


async def test_everything_read_again_changes_nothing(monitors: MonitorStack, steady: Outcome) -> None:
    await monitors.read()
    await monitors.log.refresh()
    states = {model: state_of(monitors.log, model) for model in MODELS}
    monitors.stop()
    await monitors.rewind()
    monitors.start()
    await monitors.read()
    for model in MODELS:
        await same(monitors, model, steady)
        assert state_of(monitors.log, model) == states[model]


async def test_every_alarm_was_told_and_said_one_thing(
    monitors: MonitorStack, receiver: Receiver, steady: Outcome
) -> None:
    await monitors.log.refresh()
    for model in MODELS:
        assert imbalances(monitors.log, model, expected_panes(Stream(model)), steady.seen) == []
        told = {record.identity for record in monitors.log.records(topics.DRIFT_DETECTED, model.encode())}
        assert {one["id"] for one in await monitors.alarms(model)} == told
        deliveries = receiver.of(model)
        assert all(one.is_signed for one in deliveries)
        assert {one.key for one in deliveries} == {f"{identity}/hook" for identity in told}
        assert len(deliveries) == len(told) or model == "killed"


def _failpoints() -> list[str]:
    """Those of the monitor, and the one of its consumer of alarms."""
    declared: set[str] = set()
    for file in Path(ROOT / "services/monitor/src").rglob("*.py"):
        declared |= set(re.findall(r'failpoints\.hit\("([^"]+)"\)', file.read_text()))
    return [*sorted(declared, reverse=True), "bus.before-commit"]


def _sum(panes: dict[Any, Any], start: int, name: str) -> int:
    return sum(panes[start + at * PANE, 1, False][name] for at in range(WINDOW_PANES))


async def _flood(monitors: MonitorStack, stream: Stream, pane: int) -> None:
    """A pane without every other row: those of three panes come at once after them; truths at once every four."""
    start = START + pane * PANE
    if pane % WINDOW_PANES == 0:
        await monitors.send(stream.truths(start - WINDOW_PANES * PANE, start))
    await monitors.send(stream.pane(pane, rows_of(pane)[::2]))
    if pane % LATE_PANES == LATE_PANES - 1:
        late = [stream.pane(one, rows_of(one)[1::2]) for one in range(pane + 1 - LATE_PANES, pane + 1)]
        await monitors.send(one for messages in late for one in messages)
    await monitors.reaches(stream.model, start - LEAD)


def _truths_of(batches: Iterable[Sent], model: str) -> Iterator[Sent]:
    for sent in batches:
        assert isinstance(sent.data, PredictionBatch)
        facts = zip(sent.data.prediction_ids, sent.data.event_times, strict=True)
        yield Sent(sent.partition, truth_batch(model, [(one, at + MINUTE, 1.0) for one, at in facts]))
