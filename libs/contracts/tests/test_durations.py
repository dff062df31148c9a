from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_contracts.durations import format_duration, microseconds, parse_duration

SECONDS = st.integers(min_value=0, max_value=999_999_999)


@given(SECONDS)
def test_a_duration_survives_being_written_and_read(seconds: int):
    duration = timedelta(seconds=seconds)

    assert parse_duration(format_duration(duration)) == duration


@given(SECONDS.map(lambda seconds: timedelta(seconds=seconds)))
def test_a_duration_is_written_in_the_largest_unit_that_fits(duration: timedelta):
    text = format_duration(duration)

    assert len(text) <= len(format(duration.total_seconds(), ".0f")) + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", timedelta(0)),
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("6h", timedelta(hours=6)),
        ("7d", timedelta(days=7)),
    ],
)
def test_each_unit_means_what_it_says(text: str, expected: timedelta):
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "6", "h", "6 h", "6h\n", " 6h", "-6h", "1.5h", "6w", "6H", "٦h", "1d2h", 6, None])
def test_anything_else_is_refused_with_an_example(text: object):
    with pytest.raises(ValueError, match="for example 30s, 15m, 6h or 7d"):
        parse_duration(text)


@given(st.timedeltas())
def test_microseconds_are_exact(duration: timedelta):
    assert timedelta(microseconds=microseconds(duration)) == duration


def test_a_quarter_of_a_second_has_250_000_microseconds():
    assert microseconds(parse_duration("1s") / 4) == 250_000
