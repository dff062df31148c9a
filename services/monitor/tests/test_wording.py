from typing import Any

import numpy as np
from tidemill_monitor.domain.wording import input_sentence, performance_sentence, reason
from tidemill_stats import ColumnProfile, Evidence, profile_columns


def profiles(then: Any, now: Any) -> tuple[ColumnProfile, ColumnProfile]:
    reference = profile_columns({"x": np.array(then)})
    return reference.columns["x"], profile_columns({"x": np.array(now)}, reference=reference).columns["x"]


def evidence(p_value: float = 0.00123) -> Evidence:
    return Evidence("x", "g_test", 12.0, p_value, 0.25)


def test_numbers_are_told_by_mean_and_deviation(make: Any) -> None:
    text = input_sentence(make.watch(), evidence(), *profiles([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    assert text == "x: mean 2 → 5, standard deviation 1 → 1; distance 0.250, p = 0.0012, over the last 3d"


def test_missing_values_are_told(make: Any) -> None:
    text = input_sentence(make.watch(), evidence(), *profiles([1.0, 3.0], [np.nan, 1.0, 3.0, np.nan]))
    assert "missing 0.0% → 50.0%" in text


def test_categories_are_told_by_the_share_that_moved_most(make: Any) -> None:
    then, now = profiles(["a"] * 5 + ["b"] * 5, ["a"] * 9 + ["b"])
    assert "share of 'a' 50.0% → 90.0%" in input_sentence(make.watch(), evidence(), then, now)


def test_values_unknown_in_training_are_told(make: Any) -> None:
    then, now = profiles(["a", "b"], ["a", "b", "z", "z", "z"])
    assert "share of values unknown in training 0.0% → 60.0%" in input_sentence(make.watch(), evidence(), then, now)


def test_a_column_without_values_has_words(make: Any) -> None:
    then, now = profiles([1.0, 2.0], [np.nan, np.nan])
    assert "missing 0.0% → 100.0%" in input_sentence(make.watch(), evidence(0.0), then, now)
    assert "p < 1e-300" in input_sentence(make.watch(), evidence(0.0), then, now)


def test_performance_is_told_with_its_promise(make: Any) -> None:
    text = performance_sentence(make.watch(), Evidence("log_loss", "z_test", 5.0, 1e-9, 0.125), 0.5, 0.625, 321)
    assert text == (
        "log_loss: 0.6250 where 0.5000 was promised, 0.1250 worse, p = 1e-09, "
        "over 321 labelled predictions of the last 3d"
    )


def test_the_reason_counts_windows_and_what_else_moved(make: Any) -> None:
    assert (
        reason(make.watch(), "inputs differ", 2, 3, "x: …")
        == "inputs differ in 2 windows of 1d in a row: x: … and 2 more"
    )
    assert reason(make.watch(), "inputs differ", 1, 1, "x: …") == "inputs differ in a window of 1d: x: …"
