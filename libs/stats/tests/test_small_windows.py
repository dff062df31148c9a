"""Windows of few rows, of missing values alone, of one value: every test gives a p-value, and never a fault."""

import numpy as np
import pytest
from tidemill_stats.drift import TESTS, column_drift
from tidemill_stats.profiling import profile_columns

SEEDS = range(60)


def columns(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A reference and a window of one column: numbers, two numbers or categories, some or all of them missing."""
    kind = rng.integers(3)
    sizes = int(rng.integers(1, 400)), int(rng.integers(0, 30))
    values = []
    for rows, shares in zip(sizes, ((0, 0.02, 0.5, 1), (0, 0.2, 1)), strict=True):
        column = rng.normal(size=rows) if kind else rng.integers(0, 3, size=rows).astype(float)
        column[rng.random(rows) < rng.choice(shares)] = np.nan
        values.append(column)
    if kind < 2:
        return values[0], values[1]
    texts = [np.array(["" if np.isnan(one) else f"{one:.0f}" for one in column], dtype=object) for column in values]
    return texts[0], texts[1]


@pytest.mark.parametrize("name", sorted(TESTS))
def test_any_window_gets_a_p_value(name: str):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        reference, window = columns(rng)
        then = profile_columns({"x": reference})
        now = profile_columns({"x": window}, reference=then)
        for design_effect in (1.0, float(rng.uniform(1, 30))):
            result = column_drift(then.columns["x"], now.columns["x"], design_effect=design_effect, tests=(name,))
            assert 0 <= result.p_value <= 1
            assert 0 <= result.effect < np.inf
