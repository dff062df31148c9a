"""The sequential split."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tidemill_runtime.errors import InvalidInput
from tidemill_trainer.domain.split import Parts, later_than, split

times = st.lists(st.integers(0, 60), min_size=3, max_size=200).map(
    lambda minutes: np.array(sorted(minutes)).astype("datetime64[m]").astype("datetime64[us]")
)
shares = st.floats(0.01, 0.45)


@given(times, shares, shares, st.none() | st.integers(1, 60).map(lambda minutes: timedelta(minutes=minutes)))
def test_parts_are_ordered_disjoint_and_of_different_times(
    event_times: np.ndarray, validation: float, test: float, window: timedelta | None
) -> None:
    try:
        parts = split(event_times, validation, test, window)
    except InvalidInput:
        assume(False)
        return

    assert parts.train.stop == parts.validation.start
    assert parts.validation.stop == parts.test.start
    assert parts.test.stop == len(event_times)
    assert min(len(parts.train), len(parts.validation), len(parts.test)) > 0
    assert event_times[parts.train.stop - 1] < event_times[parts.validation.start]
    assert event_times[parts.validation.stop - 1] < event_times[parts.test.start]
    if window is not None:
        assert event_times[parts.train.start] > event_times[-1] - np.timedelta64(window)
    assert split(event_times.copy(), validation, test, window) == parts


@given(times, shares, shares)
def test_a_split_is_refused_only_where_times_leave_no_room(
    event_times: np.ndarray, validation: float, test: float
) -> None:
    try:
        split(event_times, validation, test)
    except InvalidInput:
        largest_share = np.unique(event_times, return_counts=True)[1].max() / len(event_times)
        assert (
            largest_share + validation + test + 2 / len(event_times) >= 1
            or len(np.unique(event_times)) < 3
            or (_moves_back(event_times, validation, test))
        )


def _moves_back(event_times: np.ndarray, validation: float, test: float) -> bool:
    """Whether keeping equal times together pushes a cut to the beginning."""
    rows = len(event_times)
    cut = np.searchsorted(event_times, event_times[rows - max(1, round(rows * test))])
    return bool(
        cut == 0 or np.searchsorted(event_times, event_times[max(0, cut - max(1, round(rows * validation)))]) == 0
    )


def test_distinct_times_are_cut_at_the_shares() -> None:
    event_times = np.arange(1000).astype("datetime64[m]")

    assert split(event_times, 0.1, 0.2) == Parts(range(700), range(700, 800), range(800, 1000))


def test_a_window_keeps_only_the_newest_rows() -> None:
    event_times = np.arange(1000).astype("datetime64[m]")

    parts = split(event_times, 0.1, 0.1, timedelta(minutes=100))

    assert parts == Parts(range(900, 980), range(980, 990), range(990, 1000))


def test_unordered_rows_are_refused() -> None:
    with pytest.raises(InvalidInput, match="ordered"):
        split(np.array([2, 1, 3]).astype("datetime64[m]"), 0.1, 0.1)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_too_few_rows_are_refused(rows: int) -> None:
    with pytest.raises(InvalidInput, match="too few"):
        split(np.arange(rows).astype("datetime64[m]"), 0.1, 0.1)


def test_later_rows_are_those_after_the_time() -> None:
    event_times = np.arange(100).astype("datetime64[m]").astype("datetime64[us]")
    seen = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=89)

    assert later_than(event_times, range(80, 100), seen) == range(90, 100)
    assert later_than(event_times, range(95, 100), seen) == range(95, 100)
    assert len(later_than(event_times, range(80, 90), seen)) == 0
