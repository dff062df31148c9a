import pytest
from tidemill_local.histograms import OTHER, bars

THEN = {"numeric": {"edges": [0.0, 1.0, 2.0], "counts": ["10", "20", "30", "40"]}}
NOW = {"numeric": {"edges": [0.0, 1.0, 2.0], "counts": ["0", "0", "5", "5"]}, "missing": "10"}


def test_bins_of_then_and_now_stand_side_by_side_as_shares_of_all_values():
    drawn = bars(THEN, NOW)

    assert [bar.label for bar in drawn] == ["≤ 0", "0 … 1", "1 … 2", "> 2", "missing"]
    assert [bar.then for bar in drawn] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0])
    assert [bar.now for bar in drawn] == pytest.approx([0, 0, 0.25, 0.25, 0.5])


@pytest.mark.parametrize("bins", [1, 2, 12, 13, 100])
def test_many_bins_are_joined_with_their_neighbours_and_nothing_is_lost(bins: int):
    column = {"numeric": {"edges": list(range(bins - 1)), "counts": [str(number) for number in range(1, bins + 1)]}}

    drawn = bars(column, column, most=12)

    assert len(drawn) == min(bins, 12)
    assert sum(bar.then for bar in drawn) == pytest.approx(1)


def test_the_largest_categories_of_then_and_of_now_are_kept_and_the_others_joined():
    then = {"categorical": {"counts": {"a": "50", "b": "30", "c": "15", "d": "5"}}}
    now = {"categorical": {"counts": {"a": "10", "d": "80"}, "other": "10"}}

    drawn = bars(then, now, most=3)

    assert [bar.label for bar in drawn] == ["d", "a", OTHER]
    assert [bar.now for bar in drawn] == pytest.approx([0.8, 0.1, 0.1])
    assert [bar.then for bar in drawn] == pytest.approx([0.05, 0.5, 0.45])


def test_an_empty_distribution_has_no_shares():
    assert [bar.now for bar in bars(THEN, {"numeric": {}})] == [0, 0, 0, 0]
    assert bars({"categorical": {}}, {"categorical": {}}) == []
