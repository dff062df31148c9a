"""Repeats are seen within the capacity."""

from hypothesis import given
from hypothesis import strategies as st
from tidemill_ingest.domain.recent import RecentIds


@given(st.lists(st.sampled_from("abcdef")))
def test_each_id_is_new_once_while_it_is_remembered(ids: list[str]) -> None:
    recent = RecentIds(capacity=10)
    assert [recent.add(identifier) for identifier in ids] == [
        identifier not in ids[:i] for i, identifier in enumerate(ids)
    ]


def test_the_oldest_id_is_forgotten_first() -> None:
    recent = RecentIds(capacity=2)
    assert [recent.add(identifier) for identifier in "abcb"] == [True, True, True, False]
    assert recent.add("a")


def test_an_id_that_was_not_stored_may_come_again() -> None:
    recent = RecentIds(capacity=2)
    recent.add("a")
    recent.forget(["a"])
    assert recent.add("a")
