import numpy as np
import pytest
from tidemill_monitor.domain.early import EarlyTruths
from tidemill_monitor.domain.truths import Truths
from tidemill_stats.errors import InvalidInput


def truths(*rows: tuple[int, float, int, int]) -> Truths:
    """Rows of key, label, offset, observed."""
    keys, labels, offsets, observed = (np.array(column) for column in zip(*rows, strict=True))
    return Truths(keys.astype(np.uint64), labels.astype(float), offsets, observed, np.zeros(len(rows), dtype=np.int64))


def taken(early: EarlyTruths, *keys: int) -> list[tuple[int, float, int, int, int]]:
    one = early.take(np.array(keys, dtype=np.uint64))
    columns = (column.tolist() for column in (one.keys, one.labels, one.offsets, one.observed, one.changes))
    return list(zip(*columns, strict=True))


def test_a_truth_is_given_once() -> None:
    early = EarlyTruths(10)
    assert early.add(truths((1, 1.0, 5, 50), (2, 0.0, 6, 60))) == 0
    assert taken(early, 1, 3) == [(1, 1.0, 5, 50, 0)]
    assert taken(early, 1) == []
    assert len(early) == 1


@pytest.mark.parametrize("together", [True, False])
def test_of_several_truths_the_last_counts_with_the_time_of_the_first(together: bool) -> None:
    early = EarlyTruths(10)
    rows = [(1, 1.0, 5, 50), (1, 0.0, 7, 70), (1, 0.0, 8, 80)]
    for part in [rows] if together else [[row] for row in rows]:
        early.add(truths(*part))
    early.add(truths((1, 1.0, 5, 50)))
    assert taken(early, 1) == [(1, 0.0, 8, 50, 1)]


def test_the_oldest_are_given_up_beyond_the_limit() -> None:
    early = EarlyTruths(2)
    assert early.add(truths((1, 1.0, 5, 50), (2, 0.0, 6, 60), (3, 0.0, 4, 60))) == 1
    assert taken(early, 1, 2, 3) == [(1, 1.0, 5, 50, 0), (2, 0.0, 6, 60, 0)]


def test_those_observed_long_ago_are_given_up() -> None:
    early = EarlyTruths(10)
    early.add(truths((1, 1.0, 5, 50), (2, 0.0, 6, 60)))
    assert early.expire(60) == 1
    assert len(early) == 1


def test_changed_buckets_are_read_back() -> None:
    early, again = EarlyTruths(10), EarlyTruths(10)
    early.add(truths((1, 1.0, 5, 50), (17, 0.0, 6, 60), (2, 0.0, 7, 70)))
    stored = dict(early.take_changes())
    assert sorted(stored) == [1, 2]
    for value in stored.values():
        again.restore(value or b"")
    assert sorted(taken(again, 1, 2, 17)) == sorted(taken(early, 1, 2, 17))
    assert dict(early.take_changes()) == {1: None, 2: None}


def test_what_is_no_bucket_is_refused() -> None:
    with pytest.raises(InvalidInput):
        EarlyTruths(10).restore(b"123")
