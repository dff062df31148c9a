import numpy as np
import pytest
from tidemill_stats.saddlepoint import score_sum_tail


def exact_tail(scores, totals, draws, value):
    """By counting: ways[drawn, sum] over whole scores."""
    ways = np.zeros((draws + 1, draws * max(scores) + 1))
    ways[0, 0] = 1.0
    for score, total in zip(scores, totals, strict=True):
        grown = np.zeros_like(ways)
        choose = 1.0
        for x in range(min(total, draws) + 1):
            shift = x * score
            grown[x:, shift:] += choose * ways[: draws + 1 - x, : ways.shape[1] - shift]
            choose = choose * (total - x) / (x + 1)
        ways = grown
    return ways[draws, value:].sum() / ways[draws].sum()


@pytest.mark.parametrize(
    ("totals", "draws"),
    [([60] * 10, 60), ([400, 10, 10, 10], 80), ([5, 5, 5, 100, 100, 5], 100)],
)
def test_tail_is_right_down_to_one_in_a_hundred_million(totals, draws):
    scores = np.arange(len(totals))
    levels = []
    for value in range(int(draws * (scores @ totals) / sum(totals)) + 2, draws * int(scores.max())):
        above = [exact_tail(scores.tolist(), totals, draws, value + more) for more in (0, 1)]
        if above[0] < 1e-8:
            break
        approximate = score_sum_tail(scores.astype(float), np.array(totals, dtype=float), draws, value)
        assert 0.9 * above[1] <= approximate <= 1.1 * above[0]
        levels.append(above[0])
        if len(levels) > 250:
            break
    assert min(levels) < 1e-6


def test_the_largest_sum_possible_is_bounded():
    scores, totals = np.array([0.0, 1.0, 2.0]), np.array([30.0, 30.0, 10.0])
    exact = exact_tail([0, 1, 2], [30, 30, 10], 10, 20)
    assert exact <= score_sum_tail(scores, totals, 10, 20.0) <= 50 * exact
