"""Feature-updates a second on one core: ours beside river's loops."""

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
from river.drift import ADWIN, KSWIN
from tidemill_stats.arrays import FloatArray
from tidemill_stats.baseline import Baseline
from tidemill_stats.edetector import EDetector, EState, advance
from tidemill_stats.profile import DataProfile, empty, merge
from tidemill_stats.profiling import profile_columns

from benchmarks.stats.streams import FEATURES, Columns, mixed, part
from benchmarks.stats.tables import Row, Table
from benchmarks.stats.window_rule import OBSERVATIONS

BATCH, BATCHES, REPEATS = 500, 40, 5
TARGET = 2_000_000
REFERENCE = 20_000
WARM_UP, KSWIN_ROWS = 100, 50


def speed(runs: int, seed: int) -> Iterator[Table]:
    """The table of speeds, medians of five repetitions or of `runs` if that is less."""
    repeats = min(runs, REPEATS)
    rng = np.random.default_rng([seed, 8])
    numbers: Columns = {f"x{number:02}": rng.standard_normal(REFERENCE) for number in range(FEATURES)}
    live = rng.standard_normal((BATCH * BATCHES, FEATURES))
    columns: Columns = {f"x{number:02}": column.copy() for number, column in enumerate(live.T)}
    ours = _measure(lambda: _both(profile_columns(numbers), _detector(numbers), columns, live), live.size, repeats)
    adwin = _measure(lambda: _loops(ADWIN, live, live[:0]), live.size, repeats)
    kswin = _measure(lambda: _loops(KSWIN, live[:KSWIN_ROWS], live[-WARM_UP:]), KSWIN_ROWS * FEATURES, repeats)
    mix, mixed_live = mixed(rng, REFERENCE), mixed(rng, BATCH * BATCHES)
    windows = _measure(lambda: _windows(profile_columns(mix), mixed_live), live.size, repeats)
    detector = _measure(lambda: _detections(_detector(numbers), live), live.size, repeats)
    rows = [
        _row("windows and e-detector, 20 numbers", ours, adwin, kswin, asked=True),
        _row("windows alone, 16 numbers and 4 categories", windows, adwin, kswin),
        _row("e-detector alone, 20 numbers", detector, adwin, kswin),
        _row("river ADWIN, a loop for each feature", adwin, adwin, kswin),
        _row("river KSWIN, a loop for each feature", kswin, adwin, kswin),
    ]
    note = (
        f"Medians of {repeats}; {BATCHES} batches of {BATCH} rows of {FEATURES} features (KSWIN: {KSWIN_ROWS} rows), "
        "by processor time. Windows: `profile_columns` in the reference's cells and `merge`."
    )
    yield Table("Speed", ("what", "feature-updates a second", "of ADWIN", "of KSWIN"), tuple(rows), note)


def _row(what: str, speed: float, adwin: float, kswin: float, *, asked: bool = False) -> Row:
    cells = (what, f"{speed:,.0f}", f"{speed / adwin:,.1f} x", f"{speed / kswin:,.0f} x")
    return Row(cells, f"≥ {TARGET:,}", speed >= TARGET) if asked else Row(cells)


def _measure(prepared: Callable[[], Callable[[], None]], updates: int, repeats: int) -> float:
    """Median of updates by processor second; what is `prepared` anew for each repetition is not timed."""
    speeds = []
    for _ in range(repeats):
        work = prepared()
        begun = time.process_time()
        work()
        speeds.append(updates / (time.process_time() - begun))
    return median(speeds)


def _detector(numbers: Columns) -> EDetector:
    rows = np.column_stack(list(numbers.values())).astype(np.float64)
    return EDetector(Baseline.sample(rows, low=-4.0, high=4.0))


def _both(reference: DataProfile, detector: EDetector, columns: Columns, live: FloatArray) -> Callable[[], None]:
    windows, detections = _windows(reference, columns), _detections(detector, live)

    def work() -> None:
        windows()
        detections()

    return work


def _windows(reference: DataProfile, columns: Columns) -> Callable[[], None]:
    batches = [part(columns, start, start + BATCH) for start in range(0, BATCH * BATCHES, BATCH)]

    def work() -> None:
        window = empty(reference)
        for batch in batches:
            window = merge(window, profile_columns(batch, reference=reference))

    return work


def _detections(detector: EDetector, live: FloatArray) -> Callable[[], None]:
    def work() -> None:
        state: EState = detector.start()
        for start in range(0, len(live), BATCH):
            state, _ = advance(detector, state, live[start : start + BATCH], 1 / OBSERVATIONS)

    return work


def _loops(make: Callable[[], Any], live: FloatArray, warm_up: FloatArray) -> Callable[[], None]:
    streams = [(make(), column.tolist()) for column in live.T]
    for (detector, _), column in zip(streams, warm_up.T, strict=True):
        _feed(detector, column.tolist())

    def work() -> None:
        for detector, values in streams:
            _feed(detector, values)

    return work


def _feed(detector: Any, values: list[float]) -> None:
    for value in values:
        detector.update(value)
