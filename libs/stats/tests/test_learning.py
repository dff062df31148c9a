"""The reference learnt from training rows: simulated streams of independent and of autocorrelated rows."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from tidemill_stats.column import CategoricalProfile, NumericProfile
from tidemill_stats.errors import InvalidInput
from tidemill_stats.learning import SLICE_CAP, Rows, Windows, cut, learn, slice_values
from tidemill_stats.profile import DataProfile, merge_many
from tidemill_stats.reference import Reference, reference_to_proto

COUNT = 24_000
PANES_OF_TEN = Windows(pane=10_000, length=1_000_000, rows=50)
HOUR = 3_600_000_000


def rows_of(columns: Mapping[str, np.ndarray], *, seed: int = 0, step: int = 1000) -> Rows:
    """Rows `step` microseconds apart that a classifier answers by column `x`, with labels as it says."""
    x = columns["x"].astype(np.float64)
    chance = 1 / (1 + np.exp(-x / x.std()))
    labels = (np.random.default_rng([seed, 1]).random(x.size) < chance).astype(np.float64)
    outputs = np.stack([(chance > 0.5).astype(np.float64), 1 - chance, chance], axis=1)
    return Rows(columns, np.arange(x.size, dtype=np.int64) * step, outputs, labels, classes=2)


def independent(seed: int = 0, count: int = COUNT) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "x": random.normal(size=count),
        "z": random.exponential(size=count),
        "kind": random.choice(["a", "b", "c", "d"], count).astype(object),
    }


def autocorrelated(seed: int = 0) -> dict[str, np.ndarray]:
    """`x` autoregressive, half of `kind` the same for 400 rows at a time, `z` independent."""
    random = np.random.default_rng(seed)
    days = np.repeat(random.choice(["a", "b", "c"], COUNT // 400), 400)
    own = random.choice(["a", "b", "c"], COUNT)
    return {
        "x": lfilter([1.0], [1.0, -0.97], random.normal(size=COUNT)),
        "z": random.exponential(size=COUNT),
        "kind": np.where(random.random(COUNT) < 0.5, days, own).astype(object),
    }


def learnt(columns: Mapping[str, np.ndarray], windows: Windows = PANES_OF_TEN, *, step: int = 1000) -> Reference:
    rows = rows_of(columns, step=step)
    return learn(rows, rows, windows, seed=1)


@pytest.mark.parametrize("seed", range(3))
def test_design_effects_of_independent_rows_are_near_one_at_every_scale(seed: int):
    effects = learnt(independent(seed)).design_effects

    assert [(scale, one.parts) for scale, one in effects.items()] == [(1, 480), (4, 120), (16, 30)]
    assert max(effects[1].values.values()) < 1.25
    assert max(effects[4].values.values()) < 1.5
    assert max(effects[16].values.values()) < 2.0


def test_every_subject_that_is_watched_has_a_design_effect():
    subjects = learnt(independent()).effects(1).values.keys()

    outputs = {"output:label", "output:probability_1", "loss:log_loss", "loss:error_rate"}
    assert subjects == {"x", "z", "kind", "kernel", "pca", "outliers", *outputs}


def test_design_effects_of_autocorrelated_rows_grow_with_the_scale():
    reference = learnt(autocorrelated())
    one, four, sixteen = (reference.effects(scale) for scale in (1, 4, 16))

    for subject in ("x", "kind", "output:label", "output:probability_1", "kernel", "pca"):
        assert 5 < one.of(subject) < four.of(subject) < sixteen.of(subject), subject
    assert 20 < one.of("x") < 45
    assert 50 < sixteen.of("x") < 130
    assert sixteen.of("z") < 2


def test_the_design_effect_of_a_loss_is_that_of_clusters():
    """1 + (m - 1) rho for windows of m rows with an intraclass correlation of rho (Kish 1965, "Survey Sampling")."""
    random = np.random.default_rng(3)
    rows = rows_of(independent())
    losses = 100 + np.repeat(random.normal(size=COUNT // 50), 50) + 3 * random.normal(size=COUNT)
    answered = Rows(rows.columns, rows.times, np.zeros((COUNT, 1)), losses)

    effects = learn(answered, answered, PANES_OF_TEN, seed=1).effects(1)

    assert effects.of("loss:absolute_error") == pytest.approx(1 + 49 * 0.1, rel=0.25)


def test_a_scale_with_too_few_parts_grows_as_the_smaller_ones_do():
    columns = {name: values[:600] for name, values in autocorrelated().items()}

    effects = learnt(columns).design_effects

    assert [(scale, one.parts) for scale, one in effects.items()] == [(1, 12), (4, 3), (16, 3)]
    for subject, four in effects[4].values.items():
        before = effects[1].of(subject)
        assert four <= 4 * before
        growth = (four - 1) / (before - 1) if before > 1 else 4
        assert effects[16].of(subject) == pytest.approx(1 + (four - 1) * min(4, max(1, growth)))


def test_where_only_one_scale_is_known_rows_count_as_alike_however_far_apart():
    columns = {name: values[:250] for name, values in autocorrelated().items()}

    effects = learnt(columns).design_effects

    assert effects[1].parts == 5
    assert effects[4].of("x") == pytest.approx(1 + 4 * (effects[1].of("x") - 1))
    assert effects[16].of("x") == pytest.approx(1 + 16 * (effects[1].of("x") - 1))


def test_without_three_windows_nothing_is_known():
    reference = learnt(independent(count=120))

    assert reference.design_effects == {}
    assert reference.effects(4).of("x") == 1


@given(
    gaps=st.lists(st.integers(0, 40), max_size=80),
    pane=st.integers(1, 10),
    panes=st.integers(1, 8),
    rows=st.integers(1, 12),
)
def test_windows_follow_one_another_and_close_by_rows_or_by_length(gaps: list[int], pane: int, panes: int, rows: int):
    times = np.cumsum(np.array(gaps, dtype=np.int64)) - 100
    windows = Windows(pane=pane, length=pane * panes, rows=rows)
    cuts = list(cut(times, windows))

    assert [one.start for one in cuts] == [0, *(one.stop for one in cuts)][: len(cuts)]
    assert all(one.stop > one.start for one in cuts)
    for one in cuts:
        first, last = times[one.start] // pane, times[one.stop - 1] // pane
        within = times[one.start : one.stop] // pane
        assert last - first < panes
        assert one.stop == times.size or times[one.stop] // pane > last
        by_rows = np.count_nonzero(within < last) < rows <= one.stop - one.start
        assert by_rows or one.stop - one.start < rows
    left = times[cuts[-1].stop :] if cuts else times
    assert left.size < rows
    assert left.size == 0 or left[-1] // pane - left[0] // pane < panes


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1, 2, 3], [(0, 4)]),
        ([0, 10, 20, 30, 31, 40], [(0, 3), (3, 6)]),
        ([0, 11, 12, 13, 14], [(0, 5)]),
        ([0, 50, 51, 100], [(0, 1), (1, 3)]),
        ([0, 1, 2, 75, 76], [(0, 3)]),
        ([0, 1, 2, 75, 80, 90], [(0, 3), (3, 5)]),
        ([], []),
    ],
    ids=["by rows", "by length", "whole panes", "after a gap", "open after a gap", "the grid goes on", "none"],
)
def test_windows_are_cut_as_live_ones_are(times: list[int], expected: list[tuple[int, int]]):
    cuts = cut(np.array(times, dtype=np.int64), Windows(pane=10, length=40, rows=3))

    assert [(one.start, one.stop) for one in cuts] == expected


def test_groups_of_seasons_share_out_all_rows():
    windows = Windows(pane=HOUR, length=24 * HOUR, rows=500, season="day_of_week", timezone="America/New_York")

    reference = learnt(independent(count=5000), windows, step=HOUR // 10)

    assert sorted(reference.groups) == [f"season:{day}" for day in range(7)]
    require_shared_out(reference, reference.groups.values())


def test_groups_of_a_slice_share_out_all_rows_of_its_values():
    reference = learnt(independent(count=5000), Windows(pane=10_000, length=1_000_000, rows=50, slices=("kind",)))

    assert sorted(reference.groups) == [f"slice:kind={value}" for value in "abcd"]
    require_shared_out(reference, reference.groups.values())
    for name, group in reference.groups.items():
        counts = dict(zip("abcd", group.columns["kind"].counts.tolist(), strict=True))
        assert counts.pop(name[-1]) == group.rows
        assert set(counts.values()) == {0}


def require_shared_out(reference: Reference, groups) -> None:
    assert reference.inputs is not None
    together: DataProfile = merge_many(groups)
    assert together.rows == reference.inputs.rows
    assert (together.from_time, together.to_time) == (reference.inputs.from_time, reference.inputs.to_time)
    for name, column in reference.inputs.columns.items():
        assert together.columns[name].counts.tolist() == column.counts.tolist()


def test_only_the_most_frequent_values_of_a_slice_are_watched():
    counts = np.array([5] * SLICE_CAP + [9, 0])
    names = tuple(f"v{number:02}" for number in range(counts.size))

    watched = slice_values(CategoricalProfile(names, counts, 0, 0))

    assert watched == (*names[: SLICE_CAP - 1], names[SLICE_CAP])


def test_a_numeric_slice_has_no_groups_and_an_unknown_one_is_refused():
    assert learnt(independent(count=100), Windows(10_000, 1_000_000, 50, slices=("x",))).groups == {}
    with pytest.raises(InvalidInput, match="'origin' is not one of the columns: kind, x, z"):
        learnt(independent(count=100), Windows(10_000, 1_000_000, 50, slices=("origin",)))


def test_the_reference_says_what_was_trained_on_and_how_unseen_rows_were_answered():
    train, unseen = rows_of(independent(1, 2000)), rows_of(independent(2, 500), seed=2)

    reference = learn(train, unseen, PANES_OF_TEN, seed=1)

    assert reference.inputs is not None
    assert reference.outputs is not None
    assert (reference.inputs.rows, reference.outputs.rows) == (2000, 500)
    assert reference.trained_until == 1_999_000
    assert isinstance(reference.inputs.columns["x"], NumericProfile)
    assert list(reference.outputs.columns) == ["label", "probability_1"]
    assert reference.score_positives.sum() == unseen.labels.sum()
    assert reference.score_negatives.sum() == 500 - unseen.labels.sum()
    wrong = np.mean(unseen.labels != unseen.outputs[:, 0])
    assert reference.performance["error_rate"].mean == pytest.approx(wrong)
    given_chance = np.where(unseen.labels == 1, unseen.outputs[:, 2], unseen.outputs[:, 1])
    assert reference.performance["log_loss"].mean == pytest.approx(-np.log(given_chance).mean())


def test_a_regression_has_no_scores_and_more_classes_have_none_either():
    rows = rows_of(independent(count=300))
    regression = Rows(rows.columns, rows.times, rows.columns["x"].reshape(-1, 1), rows.columns["z"])
    shares = np.full((300, 4), 1 / 3)
    shares[:, 0] = np.arange(300) % 3
    three = Rows(rows.columns, rows.times, shares, shares[:, 0], classes=3)

    learnt_regression = learn(regression, regression, PANES_OF_TEN, seed=1)
    learnt_three = learn(three, three, PANES_OF_TEN, seed=1)

    assert list(learnt_regression.performance) == ["squared_error", "absolute_error"]
    assert learnt_regression.score_positives.size == learnt_three.score_positives.size == 0
    assert learnt_three.performance["error_rate"].mean == 0


def test_an_answer_that_is_no_number_is_left_out_of_losses_and_missing_among_the_outputs():
    rows = rows_of(independent(count=1000))
    outputs = rows.outputs.copy()
    outputs[::10] = np.nan
    broken = Rows(rows.columns, rows.times, outputs, rows.labels, classes=2)

    reference = learn(broken, broken, PANES_OF_TEN, seed=1)

    assert reference.outputs is not None
    assert reference.performance["log_loss"].count == 900
    assert reference.score_positives.sum() + reference.score_negatives.sum() == 900
    assert {column.missing for column in reference.outputs.columns.values()} == {100}
    assert reference.effects(1).of("loss:log_loss") < 2


def test_the_same_rows_and_seed_give_the_same_bytes_and_another_seed_others():
    def message(seed: int) -> bytes:
        rows = rows_of(independent(count=2000))
        reference = learn(rows, rows, PANES_OF_TEN, seed=seed)
        return reference_to_proto(reference).SerializeToString(deterministic=True)

    assert message(1) == message(1)
    assert message(1) != message(2)


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_rows_are_refused(count: int):
    enough = rows_of(independent(count=100))
    few = Rows(
        {name: values[:count] for name, values in enough.columns.items()},
        enough.times[:count],
        enough.outputs[:count],
        enough.labels[:count],
        classes=2,
    )

    with pytest.raises(InvalidInput, match=f"{count} training rows"):
        learn(few, enough, PANES_OF_TEN, seed=1)


def test_rows_out_of_order_are_refused():
    rows = rows_of(independent(count=10))

    with pytest.raises(InvalidInput, match="order"):
        Rows(rows.columns, rows.times[::-1], rows.outputs, rows.labels, classes=2)


@pytest.mark.parametrize(("pane", "length", "rows"), [(0, 10, 5), (10, 5, 5), (10, 25, 5), (10, 20, 0)])
def test_windows_that_panes_do_not_make_are_refused(pane: int, length: int, rows: int):
    with pytest.raises(InvalidInput, match="whole number of panes"):
        Windows(pane, length, rows)
