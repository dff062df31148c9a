import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.distinct import DistinctSketch
from tidemill_stats.errors import IncompatibleProfiles, InvalidInput
from tidemill_stats.kll import QuantileSketch
from tidemill_stats.moments import Moments
from tidemill_stats.profile import CategoricalProfile, DataProfile, NumericProfile, empty, merge, merge_many
from tidemill_stats.profile_proto import from_proto, to_proto
from tidemill_stats.profiling import profile_columns

REFERENCE = profile_columns(
    {
        "distance": np.random.default_rng(1).normal(size=1000),
        "carrier": np.array(["UA", "AA", "B6", "UA"] * 250, dtype=object),
    },
    times=(0, 1000),
)

NUMBERS = st.floats(-1e6, 1e6, width=32) | st.sampled_from([math.nan, math.inf, -math.inf])
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
    assert (x.counts.tolist(), x.missing, x.infinite) == (y.counts.tolist(), y.missing, y.infinite)
    assert x.distinct == y.distinct
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


@given(st.lists(profiles(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_merging_many_does_not_depend_on_their_order(parts, random):
    assert merge_many(random.sample(parts, len(parts))) == merge_many(parts)


@given(st.lists(profiles(), min_size=1, max_size=6))
def test_merging_many_is_merging_each(parts):
    one_by_one = parts[0]
    for part in parts[1:]:
        one_by_one = merge(one_by_one, part)
    assert_same(merge_many(parts), one_by_one)


def test_merging_nothing_is_refused():
    with pytest.raises(InvalidInput):
        merge_many([])


@given(profiles())
def test_empty_is_neutral(a):
    assert merge(a, empty(REFERENCE)) == a
    assert merge(empty(REFERENCE), a) == a
    assert merge(empty(REFERENCE), REFERENCE).columns == REFERENCE.columns


@given(st.lists(st.tuples(NUMBERS, CATEGORIES), max_size=40), st.integers(0, 40))
def test_merging_two_parts_gives_the_profile_of_the_whole(rows, cut):
    def profile(part):
        numbers = np.array([number for number, _ in part], dtype=np.float64)
        carriers = np.array([category for _, category in part], dtype=object)
        return profile_columns({"distance": numbers, "carrier": carriers}, reference=REFERENCE)

    assert_same(merge(profile(rows[:cut]), profile(rows[cut:])), profile(rows))


@given(profiles() | st.just(REFERENCE) | st.just(empty(REFERENCE)))
def test_protobuf_round_trip_keeps_everything(a):
    assert from_proto(type(to_proto(a)).FromString(to_proto(a).SerializeToString())) == a


@given(profiles())
def test_profiles_of_columns_hold_what_is_checked_of_others(a):
    assert (
        DataProfile(a.rows, {name: replace(column) for name, column in a.columns.items()}, a.from_time, a.to_time) == a
    )


@pytest.mark.parametrize(
    "change", [{"infinite": 9}, {"infinite": -1}, {"quantiles": QuantileSketch.of([1.0])}, {"missing": -1}]
)
def test_contradicting_columns_are_refused(change):
    with pytest.raises(InvalidInput):
        replace(REFERENCE.columns["distance"], **change)


def test_profiles_stored_before_there_were_sketches_are_read_and_merged():
    message = to_proto(REFERENCE)
    for column in message.columns:
        column.ClearField("distinct")
        column.numeric.ClearField("quantiles") if column.HasField("numeric") else None
    old = from_proto(message)
    assert [column.distinct for column in old.columns.values()] == [None, None]
    merged = merge(old, REFERENCE)
    assert merged.columns["distance"].counts.tolist() == (2 * REFERENCE.columns["distance"].counts).tolist()
    assert (merged.columns["distance"].quantiles, merged.columns["distance"].distinct) == (None, None)


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
    assert (column.moments.minimum, column.moments.maximum) == (1.0, 6.0)
    assert (column.missing, column.infinite) == (2, 1)


def test_a_constant_column_has_no_variance_at_all():
    reference = profile_columns({"x": np.full(1000, 0.1)})
    parts = [profile_columns({"x": np.full(size, 0.1)}, reference=reference) for size in (3, 7, 11)]
    moments = merge_many(parts).columns["x"].moments
    assert (moments.mean, moments.variance) == (float(np.float32(0.1)), 0.0)


def test_distinct_values_are_counted_with_and_without_a_reference():
    days, carriers = np.arange(1000) % 7, np.array(["UA", "AA", "", None, "ZZ"] * 200, dtype=object)
    whole = profile_columns({"day": days, "carrier": carriers})
    window = profile_columns({"day": days, "carrier": carriers}, reference=merge(whole, whole))
    few = profile_columns({"day": days, "carrier": carriers}, category_cap=1)
    for profile in (whole, window, few, profile_columns({"day": days, "carrier": carriers}, reference=few)):
        assert profile.columns["day"].distinct == DistinctSketch.of_numbers(range(7))
        assert profile.columns["carrier"].distinct == DistinctSketch.of_texts(["UA", "AA", "ZZ"])


def test_many_columns_are_profiled_as_each_alone():
    rng = np.random.default_rng(5)
    columns = {f"x{i}": rng.normal(size=20_000).round(i % 5) for i in range(15)}
    columns["x3"][::7] = np.nan
    together = profile_columns(columns)
    for name, column in columns.items():
        assert together.columns[name] == profile_columns({name: column}).columns[name]
        like = profile_columns({name: column}, reference=profile_columns({name: column})).columns[name]
        assert like.counts.tolist() == together.columns[name].counts.tolist()


def test_single_and_double_precision_fall_into_the_same_bins():
    values = np.tile(np.arange(0, 0.1, 0.01), 50)
    reference = profile_columns({"precip": values})
    window = profile_columns({"precip": values.astype(np.float32)}, reference=reference)
    assert (
        replace(window.columns["precip"], quantiles=reference.columns["precip"].quantiles)
        == (reference.columns["precip"])
    )


def test_rare_categories_beyond_the_cap_are_other_and_ties_keep_the_first_by_name():
    carriers = np.array(["b", "b", "c", "a", "d", "", None, float("nan")], dtype=object)
    column = profile_columns({"carrier": carriers}, category_cap=2).columns["carrier"]
    distinct = DistinctSketch.of_texts("abcd")
    assert column == CategoricalProfile(("a", "b"), np.array([1, 2]), other=2, missing=3, distinct=distinct)


@pytest.mark.parametrize("values", [["UA", "ZZ", ""], np.array(["UA", "ZZ", ""]), np.array([b"UA", b"ZZ", b""])])
def test_with_a_reference_unknown_categories_are_other(values):
    reference = profile_columns({"carrier": np.array(["UA", "AA"])})
    window = profile_columns({"carrier": np.asarray(values)}, reference=reference)
    distinct = DistinctSketch.of_texts(["UA", "ZZ"])
    expected = CategoricalProfile(("AA", "UA"), np.array([0, 1]), other=1, missing=1, distinct=distinct)
    assert window.columns["carrier"] == expected


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


def test_windows_of_different_references_and_other_kinds_do_not_merge():
    a, b = profile_columns({"x": np.arange(10.0)}), profile_columns({"x": np.arange(11.0)})
    window = profile_columns({"x": np.arange(10.0)}, reference=a)
    for other in (b, profile_columns({"x": np.array(["a"])}), profile_columns({"y": np.arange(10.0)})):
        with pytest.raises(IncompatibleProfiles):
            merge(window, other)


def test_numbers_binned_differently_merge_into_bins_of_both():
    rng = np.random.default_rng(6)
    values = [rng.normal(size=4000), rng.normal(3, 2, size=2000), np.full(10, np.nan)]
    parts = [profile_columns({"x": part}) for part in values]
    column = merge_many(parts).columns["x"]
    everything = np.concatenate(values).astype(np.float32)
    below = [int(np.count_nonzero(everything <= edge)) for edge in column.edges]
    assert (column.present, column.missing) == (6000, 10)
    assert column.counts.sum() == 6000
    assert column.counts.tolist() == pytest.approx([300] * 20, abs=60)
    assert np.cumsum(column.counts)[:-1].tolist() == pytest.approx(below, abs=column.quantiles.error * 6000)
    assert column.moments == Moments.merge_all([part.columns["x"].moments for part in parts])
    assert column == merge_many(reversed(parts)).columns["x"]


def test_merging_all_missing_columns_leaves_one_bin():
    column = merge(profile_columns({"x": np.full(3, np.nan)}), profile_columns({"x": np.full(2, np.inf)})).columns["x"]
    assert (column.counts.tolist(), column.missing, column.infinite) == ([0], 5, 2)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=30), min_size=1, max_size=4), st.integers(1, 8))
def test_counts_of_merged_categories_are_at_most_other_short(parts, cap):
    columns = [{"x": np.array(part, dtype=object)} for part in parts]
    merged = merge_many(profile_columns(column, category_cap=cap) for column in columns).columns["x"]
    counts = dict(zip(merged.categories, merged.counts.tolist(), strict=True))
    everything = [value for part in parts for value in part]
    assert merged.present == len(everything)
    for category in "abcdefgh":
        assert 0 <= everything.count(category) - counts.get(category, 0) <= merged.other


def test_merged_categories_stay_within_the_cap_and_keep_the_heavy():
    parts = [np.array([f"c{i}" for i in range(start, start + 80)] + ["heavy"] * 20) for start in (0, 50, 100)]
    merged = merge_many(profile_columns({"x": part}) for part in parts).columns["x"]
    assert len(merged.categories) == 100
    assert merged.counts[merged.categories.index("heavy")] == 60
    assert (merged.other, merged.present) == (300 - int(merged.counts.sum()), 300)


def test_kept_arrays_cannot_be_changed():
    column = REFERENCE.columns["distance"]
    with pytest.raises(ValueError, match="read-only"):
        column.counts[0] = 5
