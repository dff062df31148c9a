"""Intervals and courses as text."""

import pytest
from tidemill_local.axes import Interval, axis, over_time, sparkline


@pytest.mark.parametrize(
    ("interval", "drawn"),
    [
        (Interval(0.0, -1.0, 1.0), "·├────●────┤·"),
        (Interval(0.6, -0.6, 1.0), "·┊·├──┼──●─┤·"),
        (Interval(0.8, 0.6, 1.0), "·┊····│··├●┤·"),
        (Interval(None, None, None), "·┊····│····┊·"),
        (Interval(None, -1.0, 1.0), "·├────┼────┤·"),
        (Interval(0.6, -0.6, None), "·┊·├──┼──●─┊►"),
        (Interval(-0.6, None, 0.6), "◄┊─●──┼──┤·┊·"),
        (Interval(0.0, None, None), "◄┊────●────┊►"),
    ],
)
def test_an_interval_is_drawn_with_zero_and_what_is_tolerated(interval: Interval, drawn: str):
    assert axis(interval, 1.0, 13) == drawn


def test_an_axis_holds_bounds_far_beyond_what_is_tolerated():
    assert axis(Interval(0.0, -100.0, 100.0), 0.01, 13) == "·├────●────┤·"


def test_an_interval_far_smaller_than_what_is_tolerated_is_one_mark():
    assert axis(Interval(1e-9, -1e-9, 2e-9), 1.0, 13) == "·┊····●····┊·"


@pytest.mark.parametrize("largest", [1.7e308, 5e-324])
def test_the_largest_and_the_smallest_numbers_have_their_place(largest: float):
    assert axis(Interval(0.0, -largest, largest), largest, 13) == "·├────●────┤·"


def test_zeros_alone_have_their_place():
    assert axis(Interval(0.0, 0.0, 0.0), 0.0, 5) == "·●···"


def test_bounds_that_crossed_are_drawn_crossed_and_are_no_width_apart():
    crossed = Interval(0.0, 0.6, -0.6)

    assert axis(crossed, 1.0, 13) == "·┊·┤──●──├·┊·"
    assert crossed.span == 0.0


@pytest.mark.parametrize("interval", [Interval(1.0, None, 2.0), Interval(1.0, 0.0, None), Interval(None, None, None)])
def test_an_interval_without_a_bound_has_no_width(interval: Interval):
    assert interval.span is None


def test_a_course_is_read_at_even_times_though_its_looks_were_not():
    looks = [(0, 8.0), (10, 4.0), (20, 2.0), (80, 1.0)]

    assert over_time(looks, 5) == [8.0, 2.0, 2.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("looks", "read"), [([], []), ([(5, 1.0)], [1.0]), ([(5, 1.0), (5, 2.0)], [2.0]), ([(0, None), (9, 1.0)], [1.0])]
)
def test_a_short_course_is_read_as_far_as_it_goes(looks: list[tuple[int, float | None]], read: list[float]):
    assert over_time(looks, 1 if looks and looks[0][1] is None else 8) == read


def test_each_step_of_a_sparkline_is_half_as_large():
    assert sparkline([2.0, 1.0, 0.5, 0.25], 2.0) == "█▇▆▅"


@pytest.mark.parametrize(
    ("values", "largest", "drawn"),
    [
        ([], 1.0, ""),
        ([None, None], 1.0, "··"),
        ([0.0, 0.0], 0.0, "██"),
        ([None, 1.0, 0.0], 1.0, "·█▁"),
        ([1e308, 1e-308], 1e308, "█▁"),
        ([0.5], 1.0, "▇"),
    ],
)
def test_a_sparkline_draws_what_is_unknown_nothing_and_extreme(values: list[float | None], largest: float, drawn: str):
    assert sparkline(values, largest) == drawn
