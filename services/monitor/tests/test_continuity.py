"""Which messages are taken, and which are asked for again."""

import pytest
from tidemill_monitor.adapters.continuity import PATIENCE_SECONDS, Continuity


def take(continuity: Continuity[str], *offsets: int) -> list[int]:
    return [offset for offset in offsets if continuity.takes("a", offset)]


def test_messages_in_their_order_are_taken_once() -> None:
    assert take(Continuity({"a": 5}), 5, 6, 6, 5, 7, 4) == [5, 6, 7]


def test_what_comes_before_others_is_left_until_they_were_read_again() -> None:
    continuity = Continuity({"a": 5})
    assert take(continuity, 8, 9) == []
    assert continuity.to_read_again({"a": 10}, 0.0) == {"a": 5}
    assert take(continuity, 5, 6, 7, 8, 9) == [5, 6, 7, 8, 9]
    assert continuity.to_read_again({"a": 10}, 1.0) == {}


def test_it_is_asked_again_until_they_come() -> None:
    continuity = Continuity({"a": 5})
    take(continuity, 8)
    assert continuity.to_read_again({"a": 10}, 0.0) == {"a": 5}
    assert take(continuity, 9) == []
    assert continuity.to_read_again({"a": 10}, 0.5) == {}
    assert continuity.to_read_again({"a": 10}, 1.0) == {"a": 5}


def test_offsets_that_are_nowhere_are_passed_over() -> None:
    continuity = Continuity({"a": 5})
    assert take(continuity, 7, 8) == []
    assert continuity.to_read_again({"a": 9}, 0.0) == {"a": 5}
    assert take(continuity, 7, 8) == [7, 8]


def test_messages_that_do_not_come_are_asked_for() -> None:
    continuity = Continuity({"a": 5})
    assert continuity.to_read_again({"a": 6}, 0.0) == {}
    assert continuity.to_read_again({"a": 6}, PATIENCE_SECONDS - 0.1) == {}
    assert continuity.to_read_again({"a": 6}, PATIENCE_SECONDS) == {"a": 5}
    assert take(continuity, 5) == [5]
    assert continuity.to_read_again({"a": 6}, 100.0) == {}


@pytest.mark.parametrize("ends", [{}, {"a": 5}])
def test_nothing_is_asked_for_where_nothing_is_known_to_be(ends: dict[str, int]) -> None:
    continuity = Continuity({"a": 5})
    assert [continuity.to_read_again(ends, now) for now in (0.0, 50.0, 100.0)] == [{}, {}, {}]
