"""Panes of the partitions become windows whose bounds depend on the panes alone."""

import random
from typing import Any

import numpy as np
import pytest
from simulated import DAY, PANE, START, World, catalogue, partial_of, rows_of
from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill_monitor.domain.arms import Arms
from tidemill_monitor.domain.pane_store import Arm, PaneStore
from tidemill_monitor.domain.windows import Window, closed_windows, maturity


def bare(
    pane: int, *, rows: int = 100, partition: int = 0, offset: int = 1, version: int = 1, **other: Any
) -> PanePartial:
    """A pane that only counts."""
    message = PanePartial(
        model="tide", version=version, partition=partition, start=START + pane * PANE, length=PANE, offset=offset
    )
    message.watermark = message.start + PANE
    message.total.predictions = rows
    for name, value in other.items():
        setattr(message, name, value)
    return message


def store(partitions: int = 1, **monitors: Any) -> PaneStore:
    watch = catalogue(**monitors).watch("tide")
    assert watch
    return PaneStore(watch, partitions)


def bounds(windows: list[Window]) -> list[tuple[float, float, int]]:
    return [((one.start - START) / PANE, (one.end - START) / PANE, one.rows) for one in windows]


def test_the_newest_partial_of_a_pane_counts() -> None:
    panes = store(2)
    assert panes.put(bare(0, rows=10, offset=5))
    assert not panes.put(bare(0, rows=9, offset=4))
    assert panes.put(bare(0, rows=12, offset=6))
    assert panes.put(bare(0, rows=7, partition=1))
    assert panes.answered(START, START + PANE) == 19


def test_time_is_complete_as_far_as_the_slowest_partition() -> None:
    panes = store(2)
    assert panes.complete_until is None
    panes.put(bare(5))
    panes.put(bare(4, partition=1))
    assert panes.complete_until == START + 5 * PANE


def test_a_silent_partition_is_not_waited_for_longer_than_three_windows() -> None:
    panes = store(2)
    panes.put(bare(15))
    assert panes.complete_until == START + 16 * PANE - 3 * DAY
    panes.put(bare(0, partition=1))
    assert panes.complete_until == START + 16 * PANE - 3 * DAY


def test_a_repeated_older_watermark_moves_nothing_back() -> None:
    panes = store()
    panes.put(bare(5))
    panes.put(bare(2))
    assert panes.complete_until == START + 6 * PANE


def test_a_window_ends_with_the_pane_at_which_it_has_enough_rows() -> None:
    panes = store(rows=250)
    for pane in range(8):
        panes.put(bare(pane))
    assert bounds(closed_windows(panes, None, START + 8 * PANE)) == [(0, 3, 300), (3, 6, 300)]


def test_a_window_lasts_no_longer_than_it_may_and_time_without_rows_counts() -> None:
    panes = store(rows=1000)
    panes.put(bare(0))
    panes.put(bare(9))
    assert bounds(closed_windows(panes, None, START + 10 * PANE)) == [(0, 4, 100), (4, 8, 0)]


def test_only_complete_panes_close_a_window() -> None:
    panes = store(rows=30)
    panes.put(bare(0))
    assert closed_windows(panes, None, START + PANE - 1) == []


def test_rows_of_all_answering_versions_count_and_those_of_mirrors_do_not() -> None:
    panes = store(rows=150)
    for pane in range(2):
        panes.put(bare(pane, rows=80))
        panes.put(bare(pane, rows=80, version=2))
        panes.put(bare(pane, rows=500, version=3, mirror=True))
    assert bounds(closed_windows(panes, None, START + 2 * PANE)) == [(0, 1, 160), (1, 2, 160)]


def test_failed_predictions_are_no_answered_rows() -> None:
    panes = store()
    partial = bare(0, rows=100)
    partial.total.errors = 40
    panes.put(partial)
    assert panes.answered(START, START + PANE) == 60


def test_a_closed_window_keeps_its_bounds_whatever_comes_late() -> None:
    world = World()
    world.days(range(6))
    before = world.state.windows
    world.take(bare(1, rows=5000, offset=9), bare(0, rows=5000, offset=9, version=2))
    world.days(range(6, 7))
    assert world.state.windows[: len(before)] == before


def test_the_order_of_panes_does_not_matter() -> None:
    partials = [bare(pane, rows=50 + pane, partition=part) for pane in range(40) for part in range(3)]
    dice = random.Random(7)
    found = []
    for _ in range(5):
        panes = store(3, rows=300)
        dice.shuffle(partials)
        for partial in partials:
            panes.put(partial)
        found.append(closed_windows(panes, None, START + 40 * PANE))
    assert all(one == found[0] for one in found)
    assert len(found[0]) > 5


def test_partitions_and_panes_add_up_to_the_profile_of_all_rows() -> None:
    parts = [rows_of(50, number) for number in range(4)]
    panes = store(2)
    for number, rows in enumerate(parts):
        panes.put(partial_of(START + (number // 2) * PANE, rows, partition=number % 2))
    merged = Arms(panes).one(Arm(1), Window(START, START + 2 * PANE, 200))
    assert merged.total.answered == 200
    assert merged.total.inputs is not None
    assert merged.total.inputs.rows == 200
    mean = np.concatenate([rows.inputs["x0"] for rows in parts]).mean()
    assert merged.total.inputs.columns["x0"].moments.mean == pytest.approx(mean, abs=1e-6)  # type: ignore[union-attr]
    assert merged.total.metrics["log_loss"].count == 200


def test_labels_count_from_the_pane_on_in_which_they_became_known() -> None:
    panes = store()
    panes.put(partial_of(START, rows_of(50, 1), labels_after=DAY))
    merged = Arms(panes).one(Arm(1), Window(START, START + PANE, 50))
    assert merged.labelled_by(START + DAY) == {}
    assert merged.labelled_by(START + DAY + 1)["log_loss"].count == 50


def test_performance_is_due_when_most_labels_have_come_at_the_end_of_a_pane() -> None:
    panes = store(lateness="1h")
    assert maturity(panes.watch, Window(START, START + DAY, 1)) == START + 3 * DAY
    hourly = catalogue(lateness="50h").watch("tide")
    assert hourly
    assert maturity(hourly, Window(START, START + DAY, 1)) == START + DAY + 54 * 3600 * 1_000_000


def test_old_panes_are_forgotten_for_good() -> None:
    panes = store()
    panes.put(bare(0))
    panes.put(bare(5))
    assert [key.start for key in panes.forget(START + PANE)] == [START]
    assert not panes.put(bare(0, offset=99))
    assert len(panes) == 1


def test_panes_of_another_length_are_left_out() -> None:
    panes = store()
    assert not panes.put(bare(0, length=2 * PANE))
    assert len(panes) == 0


def test_memory_stays_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(settings={"false_alarms": {"observations": 10**9}}, per_pane=1)
    monkeypatch.setattr("tidemill_monitor.domain.judgement.monitors_on", lambda watch, window: iter(()))
    kept = []
    for day in range(120):
        for pane in range(4 * day, 4 * day + 4):
            world.take(bare(pane, rows=150))
        before = world.judge.keep_from(world.state)
        if before is not None:
            world.store.forget(before)
            world.judge.forget(before)
        kept.append((len(world.store), len(world.state.windows)))
    assert max(kept[60:]) == max(kept[80:])
    assert kept[-1][0] < 150


def test_a_grid_that_was_changed_is_taken_up_at_its_next_pane() -> None:
    panes = store(rows=30)
    panes.put(bare(1))
    panes.put(bare(2))
    found = closed_windows(panes, START + 1, START + 3 * PANE)
    assert bounds(found) == [(1, 2, 100), (2, 3, 100)]
