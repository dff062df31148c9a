"""Values beyond the range of training are seen, however few they are."""

import numpy as np
import pytest
from tidemill_stats.arrays import FloatArray
from tidemill_stats.column import NumericProfile, with_ends
from tidemill_stats.comparison import Comparison
from tidemill_stats.count_tests import out_of_range
from tidemill_stats.drift import column_drift
from tidemill_stats.learning import Rows, Windows, learn
from tidemill_stats.profile import DataProfile
from tidemill_stats.profiling import profile_columns

DAY = 86_400_000_000


def learnt(values: FloatArray) -> NumericProfile:
    column = with_ends(profile_columns({"x": values}).columns["x"])
    assert isinstance(column, NumericProfile)
    return column


def window(reference: NumericProfile, values: FloatArray) -> NumericProfile:
    whole = DataProfile(reference.present + reference.missing, {"x": reference})
    column = profile_columns({"x": values}, reference=whole).columns["x"]
    assert isinstance(column, NumericProfile)
    return column


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [0.0, 0.0, 1.0], [5.0] * 4, np.linspace(-3, 3, 1000)])
def test_the_ends_hold_no_value_of_the_reference_and_all_beyond_it(values):
    values = np.asarray(values, dtype=np.float32).astype(float)
    reference = learnt(values)
    assert reference.counts[0] == reference.counts[-1] == 0
    assert reference.counts.sum() == values.size
    assert window(reference, values).counts.tolist() == reference.counts.tolist()
    beyond = window(reference, np.array([values.min() - 1, values.max() + 1, values.max() + 2]))
    assert (beyond.counts[0], beyond.counts[-1]) == (1, 2)


def test_a_few_values_beyond_the_range_are_drift_that_matters():
    rng = np.random.default_rng(1)
    reference = learnt(rng.uniform(size=20_000))
    values = rng.uniform(size=1000)
    values[:30] = 1.5
    result = column_drift(reference, window(reference, values))
    assert result.test == "out_of_range"
    assert result.p_value < 1e-9
    assert result.effect > 0.1


def test_no_drift_keeps_its_level_and_its_effect_with_the_ends_watched():
    rng = np.random.default_rng(2)
    p_values, effects = [], []
    for _ in range(400):
        reference = learnt(rng.standard_t(3, 2000))
        comparison = Comparison(reference, window(reference, rng.standard_t(3, 500)))
        result = out_of_range(comparison)
        assert result is not None
        p_values.append(result.p_value)
        effects.append(comparison.distance)
    assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean(np.array(effects) > 0.1) < 0.05


def test_a_version_learns_where_its_inputs_end():
    rng = np.random.default_rng(3)
    outputs = np.column_stack([rng.normal(size=200)])
    rows = Rows({"x": rng.normal(size=200)}, np.arange(200) * DAY // 10, outputs, outputs[:, 0])
    reference = learn(rows, rows, Windows(DAY, DAY, 50), seed=1)
    assert reference.inputs
    assert Comparison(reference.inputs.columns["x"], reference.inputs.columns["x"]).ends == (True, True)
