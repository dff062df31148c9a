import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats import (
    CategoricalProfile,
    DataProfile,
    IncompatibleProfiles,
    InvalidInput,
    NumericProfile,
    empty,
    from_proto,
    merge,
    profile_columns,
    to_proto,
)

REFERENCE = profile_columns(
    {
        "distance": np.random.default_rng(1).normal(size=1000),
        "carrier": np.array(["UA", "AA", "B6", "UA"] * 250, dtype=object),
    },
    times=(0, 1000),
)

NUMBERS = st.floats(-1e6, 1e6, width=32) | st.sampled_from([math.nan, math.inf])
CATEGORIES = st.sampled_from(["UA", "AA", "B6", "ZZ", "", None, math.nan])
TIMES = st.none() | st.tuples(st.integers(0, 10), st.integers(10, 20))


@st.composite
def profiles(draw):
    rows = draw(st.lists(st.tuples(NUMBERS, CATEGORIES), max_size=30))
    columns = {
        "distance": np.array([number for number, _ in rows], dtype=np.float64),
        "carrier": np.array([category for _, category in rows], dtype=object),
    }
    return profile_columns(columns, reference=REFERENCE, times=draw(TIMES))


def assert_same(a: DataProfile, b: DataProfile) -> None:
    assert (a.rows, a.from_time, a.to_time) == (b.rows, b.from_time, b.to_time)
    assert a.columns["carrier"] == b.columns["carrier"]
    x, y = a.columns["distance"], b.columns["distance"]
    assert isinstance(x, NumericProfile)
    assert isinstance(y, NumericProfile)
    assert (x.counts.tolist(), x.missing) == (y.counts.tolist(), y.missing)
    assert (x.moments.count, x.moments.minimum, x.moments.maximum) == (
        y.moments.count,
        y.moments.minimum,
        y.moments.maximum,
    )
    scale = 1.0 if not x.present else max(1.0, abs(x.moments.minimum), abs(x.moments.maximum))
    assert x.moments.mean == pytest.approx(y.moments.mean, rel=1e-9, abs=1e-9 * scale)
    assert x.moments.variance == pytest.approx(y.moments.variance, rel=1e-9, abs=1e-9 * scale**2)


@given(profiles(), profiles())
def test_merge_commutes(a, b):
    assert merge(a, b) == merge(b, a)


@given(profiles(), profiles(), profiles())
def test_merge_associates(a, b, c):
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)))


@given(profiles())
def test_empty_is_neutral(a):
    assert merge(a, empty(REFERENCE)) == a
    assert merge(empty(REFERENCE), a) == a


@given(st.lists(st.tuples(NUMBERS, CATEGORIES), max_size=40), st.integers(0, 40))
def test_merging_two_parts_gives_the_profile_of_the_whole(rows, cut):
    def profile(part):
        numbers = np.array([number for number, _ in part], dtype=np.float64)
        carriers = np.array([category for _, category in part], dtype=object)
        return profile_columns({"distance": numbers, "carrier": carriers}, reference=REFERENCE)

    assert_same(merge(profile(rows[:cut]), profile(rows[cut:])), profile(rows))


@given(profiles())
def test_protobuf_round_trip_keeps_everything(a):
    assert from_proto(type(to_proto(a)).FromString(to_proto(a).SerializeToString())) == a


def test_contradicting_protobuf_is_refused():
    message = to_proto(REFERENCE)
    message.rows += 1
    with pytest.raises(InvalidInput, match="carrier"):
        from_proto(message)
    message = to_proto(REFERENCE)
    message.columns[0].ClearField("categorical")
    with pytest.raises(InvalidInput, match="neither"):
        from_proto(message)


def test_bins_hold_equal_shares_of_continuous_data():
    column = profile_columns({"x": np.random.default_rng(2).normal(size=20_000)}, bins=20).columns["x"]
    assert isinstance(column, NumericProfile)
    assert column.counts.tolist() == pytest.approx([1000] * 20, abs=1)


def test_each_value_of_a_discrete_column_has_its_own_bin():
    days = np.repeat(np.arange(1, 8), [10, 20, 30, 40, 50, 60, 70])
    column = profile_columns({"day": days}, bins=40).columns["day"]
    assert isinstance(column, NumericProfile)
    assert column.counts.tolist()[:7] == [10, 20, 30, 40, 50, 60, 70]


def test_moments_are_those_of_present_values():
    column = profile_columns({"x": np.array([1.0, 2.0, np.nan, 6.0, np.inf])}).columns["x"]
    assert isinstance(column, NumericProfile)
    assert (column.moments.mean, column.moments.variance) == (3.0, 7.0)
    assert (column.moments.minimum, column.moments.maximum, column.missing) == (1.0, 6.0, 2)


def test_single_and_double_precision_fall_into_the_same_bins():
    values = np.tile(np.arange(0, 0.1, 0.01), 50)
    reference = profile_columns({"precip": values})
    window = profile_columns({"precip": values.astype(np.float32)}, reference=reference)
    assert window == reference


def test_rare_categories_beyond_the_cap_are_other_and_ties_keep_the_first_by_name():
    carriers = np.array(["b", "b", "c", "a", "d", "", None, float("nan")], dtype=object)
    column = profile_columns({"carrier": carriers}, category_cap=2).columns["carrier"]
    assert column == CategoricalProfile(("a", "b"), np.array([1, 2]), other=2, missing=3)


@pytest.mark.parametrize("values", [["UA", "ZZ", ""], np.array(["UA", "ZZ", ""]), np.array([b"UA", b"ZZ", b""])])
def test_with_a_reference_unknown_categories_are_other(values):
    reference = profile_columns({"carrier": np.array(["UA", "AA"])})
    window = profile_columns({"carrier": np.asarray(values)}, reference=reference)
    assert window.columns["carrier"] == CategoricalProfile(("AA", "UA"), np.array([0, 1]), other=1, missing=1)


def test_with_a_numeric_reference_null_objects_are_missing():
    reference = profile_columns({"x": np.arange(10.0)})
    window = profile_columns({"x": np.array([1, None, 2.0], dtype=object)}, reference=reference)
    assert (window.columns["x"].present, window.columns["x"].missing) == (2, 1)


def test_all_missing_column_has_a_profile():
    profile = profile_columns({"x": np.full(3, np.nan), "y": np.array([None] * 3, dtype=object)})
    assert [column.missing for column in profile.columns.values()] == [3, 3]
    assert from_proto(to_proto(profile)) == profile


@pytest.mark.parametrize(
    ("columns", "reference", "error"),
    [
        ({"x": np.zeros(2), "y": np.zeros(3)}, None, InvalidInput),
        ({"x": np.zeros((2, 1))}, None, InvalidInput),
        ({"x": np.array(["2013-01-01"], dtype="datetime64[us]")}, None, InvalidInput),
        ({"x": np.array(["a"])}, {"x": np.zeros(2)}, InvalidInput),
        ({"x": np.array(["a"], dtype=object)}, {"x": np.zeros(2)}, InvalidInput),
        ({"y": np.zeros(2)}, {"x": np.zeros(2)}, IncompatibleProfiles),
    ],
)
def test_unusable_columns_are_refused(columns, reference, error):
    with pytest.raises(error):
        profile_columns(columns, reference=reference and profile_columns(reference))


def test_profiles_binned_differently_do_not_merge():
    a = profile_columns({"x": np.arange(10.0)})
    for other in (np.arange(11.0), np.array(["a"])):
        with pytest.raises(IncompatibleProfiles):
            merge(a, profile_columns({"x": other}))


def test_kept_arrays_cannot_be_changed():
    column = REFERENCE.columns["distance"]
    with pytest.raises(ValueError, match="read-only"):
        column.counts[0] = 5
