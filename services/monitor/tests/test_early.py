import pytest
from tidemill_monitor.domain.early import BUCKETS, EarlyTruths
from tidemill_stats import InvalidInput


def test_a_truth_is_kept_until_its_prediction_takes_it() -> None:
    early = EarlyTruths(10)
    early.add(1, 0.0, 5, 100)
    assert early.pop(2) is None
    assert early.pop(1) == (0.0, 5)
    assert early.pop(1) is None


def test_the_later_truth_of_a_prediction_counts() -> None:
    early = EarlyTruths(10)
    early.add(1, 0.0, 5, 100)
    early.add(1, 1.0, 6, 100)
    early.add(1, 0.0, 4, 100)
    assert early.pop(1) == (1.0, 6)


def test_the_oldest_is_given_up_for_the_newest() -> None:
    early = EarlyTruths(2)
    assert [early.add(key, 1.0, key, 0) for key in (1, 2, 3)] == [0, 0, 1]
    assert early.pop(1) is None
    assert len(early) == 2


def test_old_truths_expire() -> None:
    early = EarlyTruths(10)
    early.add(1, 1.0, 1, 100)
    early.add(2, 1.0, 2, 200)
    assert early.expire(200) == 1
    assert early.pop(2) == (1.0, 2)


def test_stored_buckets_restore_everything_and_vanish_when_empty() -> None:
    early = EarlyTruths(100)
    for key in range(40):
        early.add(key, float(key), key, key)
    stored = dict(early.take_changes())
    assert len(stored) == BUCKETS
    assert dict(early.take_changes()) == {}
    again = EarlyTruths(100)
    for data in stored.values():
        assert data
        again.restore(data)
    assert [again.pop(key) for key in range(40)] == [(float(key), key) for key in range(40)]
    assert set(dict(again.take_changes()).values()) == {None}


def test_a_broken_bucket_is_refused() -> None:
    with pytest.raises(InvalidInput, match="33 bytes"):
        EarlyTruths(1).restore(bytes(33))
