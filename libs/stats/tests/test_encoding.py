import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.encoding import LIMIT, CategoricalFeature, Encoding, NumericFeature
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput


def texts(*values):
    return np.array(values, dtype=object)


def test_numbers_are_centred_by_the_median_and_scaled_by_the_quartiles():
    values = np.random.default_rng(0).normal(5.0, 3.0, 20_000)
    values[:200] = 1e6
    matrix = Encoding.fit({"x": values}).encode({"x": np.array([5.0, 8.0, 2.0])})
    assert matrix.dtype == np.float32
    assert matrix[:, 0] == pytest.approx([0.0, 1.0, -1.0], abs=0.05)


def test_missing_and_infinite_numbers_lie_at_the_centre():
    encoding = Encoding.fit({"x": np.arange(101.0)})
    assert encoding.encode({"x": np.array([math.nan, math.inf, 50.0])}).tolist() == [[0.0]] * 3


@given(st.lists(st.floats(width=32), min_size=1, max_size=30), st.floats(width=32, allow_nan=False))
def test_coordinates_stay_within_the_limit_whatever_the_numbers(training, live):
    matrix = Encoding.fit({"x": np.array(training)}).encode({"x": np.array([live])})
    assert np.all(np.abs(matrix) <= LIMIT)


def test_a_column_that_is_mostly_one_value_is_scaled_by_its_deviation():
    rain = np.where(np.arange(1000) % 20 == 0, 4.0, 0.0)
    feature = Encoding.fit({"rain": rain}).features["rain"]
    assert (feature.centre, feature.spread) == (0.0, pytest.approx(rain.std()))


def test_different_categories_are_one_apart_and_unseen_ones_at_zero():
    encoding = Encoding.fit({"c": texts("a", "b", "a")})
    a, b, unseen, missing, none = encoding.encode({"c": texts("a", "b", "z", "", None)})
    assert np.linalg.norm(a - b) == pytest.approx(1.0, abs=1e-3)
    assert unseen.tolist() == missing.tolist() == none.tolist() == [0.0, 0.0]


def test_the_most_frequent_categories_are_kept():
    encoding = Encoding.fit({"c": texts(*"ddccbbba", "")}, category_cap=3)
    assert encoding.features["c"] == CategoricalFeature(("b", "c", "d"))


def test_a_category_may_come_as_text_or_number():
    encoding = Encoding.fit({"c": texts("1", "2")})
    assert encoding.encode({"c": np.array([1, 2])}).tolist() == encoding.encode({"c": np.array(["1", "2"])}).tolist()


@given(st.integers(0, 40))
def test_rows_encode_alike_alone_and_together(cut):
    rng = np.random.default_rng(3)
    columns = {"x": rng.normal(size=40), "c": rng.choice(["a", "b"], 40).astype(object), "a": rng.normal(size=40)}
    encoding = Encoding.fit(columns)
    parts = [encoding.encode({name: v[part] for name, v in columns.items()}) for part in (slice(cut), slice(cut, None))]
    assert np.array_equal(np.concatenate(parts), encoding.encode(columns))


def test_columns_are_in_one_order_whatever_the_order_given():
    columns = {"b": np.arange(4.0), "c": texts(*"xyxy"), "a": np.arange(4.0) ** 2}
    back = dict(reversed(columns.items()))
    assert np.array_equal(Encoding.fit(columns).encode(back), Encoding.fit(back).encode(columns))
    assert list(Encoding.fit(columns).features) == ["a", "b", "c"]


def test_unusable_columns_are_refused():
    encoding = Encoding.fit({"x": np.arange(3.0), "y": np.arange(3.0)})
    with pytest.raises(IncompatibleProfiles, match="y"):
        encoding.encode({"x": np.arange(3.0)})
    with pytest.raises(InvalidInput, match="'y'"):
        encoding.encode({"x": np.arange(3.0), "y": texts("a", "b", "c")})
    with pytest.raises(InvalidInput):
        encoding.encode({"x": np.arange(3.0), "y": np.arange(2.0)})
    with pytest.raises(InvalidInput):
        NumericFeature(0.0, 0.0)
