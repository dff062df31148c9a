from typing import Any

import pytest
from tidemill_monitor.domain.windows import KEPT_WINDOWS, ModelWindows, merged

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY


@pytest.fixture
def windows(make: Any) -> ModelWindows:
    return ModelWindows(make.watch(), 2)


def test_the_newest_partial_of_a_window_counts(make: Any, windows: ModelWindows) -> None:
    assert windows.put(make.window_partial(0, rows=10, offset=5))
    assert not windows.put(make.window_partial(0, rows=9, offset=4))
    assert windows.put(make.window_partial(0, rows=12, offset=6))
    assert windows.put(make.window_partial(0, rows=7, partition=1, offset=1))
    assert windows.one(windows.windows[0]).predictions == 19


def test_partitions_add_up(make: Any) -> None:
    parts = [make.window_partial(0, rows=100, partition=number, loss=0.5) for number in range(3)]
    together = merged(parts)
    assert (together.predictions, together.labelled, together.inputs.rows) == (300, 300, 300)
    assert together.score.metrics["log_loss"].count == 300


def test_time_is_complete_as_far_as_the_slowest_partition(make: Any, windows: ModelWindows) -> None:
    assert windows.complete_until is None
    windows.put(make.window_partial(5, watermark_day=5.5))
    windows.put(make.window_partial(4, partition=1, watermark_day=4.25))
    assert windows.complete_until == START + 4 * DAY + DAY // 4


def test_a_silent_partition_is_not_waited_for_longer_than_three_windows(make: Any, windows: ModelWindows) -> None:
    windows.put(make.window_partial(5, watermark_day=5.5))
    assert windows.complete_until == START + 5 * DAY // 2
    windows.put(make.window_partial(0, partition=1, watermark_day=0.5))
    assert windows.complete_until == START + 5 * DAY // 2


def test_a_repeated_older_watermark_moves_nothing_back(make: Any) -> None:
    windows = ModelWindows(make.watch(), 1)
    windows.put(make.window_partial(5, watermark_day=6))
    windows.put(make.window_partial(2, watermark_day=3))
    assert windows.complete_until == START + 6 * DAY


def test_the_horizon_is_the_versions_last_windows(make: Any, windows: ModelWindows) -> None:
    for day in range(6):
        windows.put(make.window_partial(day, rows=10))
        windows.put(make.window_partial(day, rows=1, version=2))
    assert windows.horizon(1, START + 5 * DAY).predictions == 30
    assert windows.horizon(2, START + 2 * DAY).predictions == 2


def test_old_windows_are_forgotten(make: Any) -> None:
    windows = ModelWindows(make.watch(), 1)
    windows.put(make.window_partial(0))
    windows.put(make.window_partial(KEPT_WINDOWS + 4))
    assert windows.forget() == []
    windows.put(make.window_partial(KEPT_WINDOWS + 5))
    assert [(window.start, partition) for window, partition in windows.forget()] == [(START, 0)]
    assert len(windows.windows) == 2
