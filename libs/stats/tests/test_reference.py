"""A reference and its message."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.v1 import reference_pb2 as pb
from tidemill_stats.errors import InvalidInput, StatsError
from tidemill_stats.learning import Rows, Windows, learn
from tidemill_stats.reference import DesignEffects, Reference, reference_from_proto, reference_to_proto

SCALES = st.integers(1, 100)
EFFECTS = st.dictionaries(st.text(max_size=5), st.floats(1, 1e6), max_size=4)


@pytest.fixture(scope="module")
def reference() -> Reference:
    random = np.random.default_rng(5)
    count = 2000
    chance = random.random(count)
    outputs = np.stack([np.rint(chance), 1 - chance, chance], axis=1)
    columns = {
        "size": np.where(chance < 0.1, np.nan, random.normal(size=count)),
        "kind": random.choice(["a", "b", ""], count).astype(object),
    }
    labels = (random.random(count) < chance).astype(np.float64)
    rows = Rows(columns, 1_000_000 * np.arange(count, dtype=np.int64), outputs, labels, classes=2)
    windows = Windows(10_000_000, 3_600_000_000, 50, season="hour_of_day", slices=("kind",))
    return learn(rows, rows, windows, seed=5)


def test_a_learnt_reference_survives_its_message(reference: Reference):
    read = reference_from_proto(pb.Reference.FromString(reference_to_proto(reference).SerializeToString()))

    assert read.inputs == reference.inputs
    assert read.groups == reference.groups
    assert read.outputs == reference.outputs
    assert read.design_effects == reference.design_effects
    assert read.performance == reference.performance
    assert read.score_positives.tolist() == reference.score_positives.tolist()
    assert read.score_negatives.tolist() == reference.score_negatives.tolist()
    assert read.trained_until == reference.trained_until
    assert reference_to_proto(read) == reference_to_proto(reference)


def test_the_references_of_rows_as_points_survive_their_message(reference: Reference):
    read = reference_from_proto(reference_to_proto(reference))
    for one in (read, reference):
        assert one.kernel is not None
        assert one.pca is not None
        assert one.outliers is not None
    rows = {"size": np.array([0.5, np.nan, 9.0]), "kind": np.array(["a", "new", "b"], dtype=object)}
    matrix = read.kernel.encoding.encode(rows)

    assert np.array_equal(matrix, reference.kernel.encoding.encode(rows))
    assert read.kernel.sums(matrix) == reference.kernel.sums(matrix)
    assert read.pca.errors(matrix).tolist() == reference.pca.errors(matrix).tolist()
    assert read.outliers.forest.score(matrix).tolist() == reference.outliers.forest.score(matrix).tolist()


def test_a_reference_of_nothing_survives_its_message_as_nothing():
    read = reference_from_proto(reference_to_proto(Reference()))

    assert read.inputs is read.outputs is read.kernel is read.pca is read.outliers is read.trained_until is None
    assert (read.groups, read.design_effects, read.performance) == ({}, {}, {})
    assert read.score_positives.size == 0


def test_a_reference_trained_until_the_epoch_is_not_one_of_unknown_age():
    assert reference_from_proto(reference_to_proto(Reference(trained_until=0))).trained_until == 0


@given(st.dictionaries(SCALES, EFFECTS, max_size=4))
def test_design_effects_survive_their_message(values: dict[int, dict[str, float]]):
    known = {scale: DesignEffects(scale, 7, effects) for scale, effects in values.items()}

    assert reference_from_proto(reference_to_proto(Reference(design_effects=known))).design_effects == known


@given(SCALES)
def test_a_scale_between_known_ones_has_the_effects_of_the_larger(scale: int):
    known = {one: DesignEffects(one, 9, {"x": float(one)}) for one in (1, 4, 16)}

    expected = min((one for one in known if one >= scale), default=16)
    assert Reference(design_effects=known).effects(scale).of("x") == expected


def test_what_has_no_design_effect_counts_as_independent():
    reference = Reference(design_effects={4: DesignEffects(4, 9, {"x": 3.0})})

    assert reference.effects(4).of("y") == 1
    assert Reference().effects(1).of("x") == 1


@pytest.mark.parametrize(("scale", "parts", "value"), [(0, 3, 1.0), (1, -1, 1.0), (1, 3, 0.5), (1, 3, np.nan)])
def test_impossible_design_effects_are_refused(scale: int, parts: int, value: float):
    with pytest.raises(InvalidInput, match="scale >= 1"):
        DesignEffects(scale, parts, {"x": value})


def test_scores_of_other_bins_are_refused():
    with pytest.raises(InvalidInput, match="same score bins"):
        Reference(score_positives=np.zeros(3, dtype=np.int64), score_negatives=np.zeros(4, dtype=np.int64))


@pytest.mark.parametrize(
    "message",
    [
        pb.Reference(design_effects=[pb.DesignEffects(scale=1, parts=3, values={"x": 0.2})]),
        pb.Reference(score_positives=[1, 2], score_negatives=[1]),
        pb.Reference(kernel=pb.KernelReference(mean=[1.0])),
        pb.Reference(outliers=pb.OutlierReference(depth=40)),
    ],
    ids=["design effect", "scores", "kernel", "outliers"],
)
def test_a_message_that_contradicts_itself_is_refused(message: pb.Reference):
    with pytest.raises(StatsError):
        reference_from_proto(message)
