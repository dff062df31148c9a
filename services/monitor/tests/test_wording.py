from typing import Any

import numpy as np
import pytest
from tidemill_monitor.domain.wording import certain_reason, difference, duration, percent, sentence
from tidemill_stats.column import ColumnProfile
from tidemill_stats.decision import Alarm
from tidemill_stats.evidence import Action, Evidence, Severity
from tidemill_stats.profiling import profile_columns

HOUR = 3600 * 1_000_000


def profiles(then: Any, now: Any) -> tuple[ColumnProfile, ColumnProfile]:
    reference = profile_columns({"x": np.array(then)})
    return reference.columns["x"], profile_columns({"x": np.array(now)}, reference=reference).columns["x"]


def evidence(p_value: float = 0.00123, scale: int = 1, test: str = "g_test") -> Evidence:
    return Evidence("x", test, 12.0, p_value, 0.25, scale, "mean 2 → 5")


def test_numbers_are_told_by_mean_deviation_and_range() -> None:
    text = difference(*profiles([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    assert text == "mean 2 → 5, standard deviation 1 → 1, range 1..3 → 4..6"


def test_missing_values_are_told() -> None:
    assert "missing 0.0% → 50.0%" in difference(*profiles([1.0, 3.0], [np.nan, 1.0, 3.0, np.nan]))


def test_categories_are_told_by_the_share_that_moved_most() -> None:
    then, now = profiles(["a"] * 5 + ["b"] * 5, ["a"] * 9 + ["b"])
    assert difference(then, now) == "share of 'b' 50.0% → 10.0%"


def test_values_unknown_in_training_are_told() -> None:
    text = difference(*profiles(["a", "b"], ["a", "b", "z", "z", "z"]))
    assert text == "share of values unknown in training 0.0% → 60.0%"


def test_a_column_without_values_has_words() -> None:
    assert "missing 0.0% → 100.0%" in difference(*profiles([1.0, 2.0], [np.nan, np.nan]))


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (evidence(), "x: mean 2 → 5 in the last window, effect 0.25, p = 0.0012"),
        (evidence(scale=4), "x: mean 2 → 5 over the last 4 windows, effect 0.25, p = 0.0012"),
        (evidence(0.0), "x: mean 2 → 5 in the last window, effect 0.25, p < 1e-300"),
        (evidence(0.0, test="age"), "x: mean 2 → 5 in the last window, effect 0.25"),
    ],
)
def test_evidence_is_one_sentence_with_its_numbers(one: Evidence, text: str) -> None:
    assert sentence(one) == text


def test_what_is_no_matter_of_chance_is_told_without_probabilities() -> None:
    alarm = Alarm(0, 1, 2, Severity.WARNING, Action.TELL_DATA_ENGINEER, (evidence(0.0), evidence(0.0)), "")
    assert certain_reason(alarm) == "x in 2 windows in a row: mean 2 → 5; and 1 more"


@pytest.mark.parametrize(("length", "text"), [(30 * HOUR, "30h"), (49 * HOUR, "2d"), (24 * HOUR, "1d"), (0, "0s")])
def test_durations_are_told_in_large_units(length: int, text: str) -> None:
    assert duration(length) == text


def test_small_shares_are_told_with_the_digits_they_need() -> None:
    assert (percent(1, 4), percent(0, 10), percent(1, 20_000)) == ("25.0%", "0.0%", "5e-05")
