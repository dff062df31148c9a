"""Figures as people read them."""

import pytest
from tidemill_local.commands import words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0.0, "0 s"),
        (0.4, "0.4 s"),
        (59.4, "59.4 s"),
        (59.9, "1 min"),
        (90.0, "1 min 30 s"),
        (11_520.0, "3 h 12 min"),
        (3_599.9, "1 h"),
        (7_215.0, "2 h"),
        (86_399.0, "1 d"),
        (183_600.0, "2 d 3 h"),
    ],
)
def test_a_duration_is_said_by_its_two_largest_units(seconds: float | None, said: str):
    assert words.span(seconds) == said


@pytest.mark.parametrize(("share", "said"), [(None, "–"), (0.0, "0%"), (0.05, "5%"), (0.0012, "0.12%"), (1.0, "100%")])
def test_a_share_is_said_in_percent(share: float | None, said: str):
    assert words.percent(share) == said


@pytest.mark.parametrize(("seconds", "said"), [(None, "–"), (0.00123, "1.23 ms"), (0.5, "500 ms"), (2.5, "2.5 s")])
def test_a_latency_is_said_in_milliseconds_below_a_second(seconds: float | None, said: str):
    assert words.latency(seconds) == said


def test_a_count_is_never_longer_than_its_column():
    assert [words.count(number) for number in (0, 12_345, 99_999_999, 10**12)] == ["0", "12,345", "99,999,999", "1e+12"]


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "–"), ("2013-05-01T06:30:00Z", "2013-05-01 06:30"), ("2013-05-01T08:30:00+02:00", "2013-05-01 06:30")],
)
def test_a_time_is_said_in_utc(text: str | None, said: str):
    assert words.moment(text) == said
