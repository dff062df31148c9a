"""Prediction ids and event times."""

import time
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_gateway.domain.ids import new_prediction_id, row_ids
from tidemill_gateway.domain.times import now, parse_event_time
from tidemill_runtime.errors import InvalidInput


def test_a_prediction_id_is_a_uuid_version_7_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_prediction_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_prediction_ids_differ() -> None:
    assert len({new_prediction_id() for _ in range(1000)}) == 1000


def test_one_row_has_the_requests_id_and_several_are_numbered() -> None:
    assert row_ids("a", 1) == ["a"]
    assert row_ids("a", 3) == ["a:0", "a:1", "a:2"]


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_both_forms_of_a_time_mean_the_same(moment: datetime) -> None:
    microseconds = parse_event_time(moment.isoformat())
    assert parse_event_time(microseconds) == parse_event_time(str(microseconds)) == microseconds


def test_offsets_count() -> None:
    assert parse_event_time("2013-03-01T07:00:00-05:00") == parse_event_time("2013-03-01T12:00:00Z") == 1362139200000000


def test_now_is_in_microseconds() -> None:
    assert abs(now() / 1e6 - time.time()) < 5


@pytest.mark.parametrize("text", ["", "yesterday", "2013-03-01T12:00:00", "1e9", "9" * 19])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="event time"):
        parse_event_time(text)
