import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill_stats.errors import InvalidInput
from tidemill_stats.kll import QuantileSketch

K = 32
BATCH = 100


@st.composite
def streams(draw, most=3000):
    """Values whose order or ties are hard on a sketch."""
    size = draw(st.integers(0, most))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    ramp = np.arange(size, dtype=np.float64)
    shapes = {
        "normal": rng.normal(size=size),
        "sorted": ramp,
        "reversed": ramp[::-1],
        "from both ends": np.where(ramp % 2, ramp, -ramp),
        "from the middle": np.where(ramp % 2, 1 / (1 + ramp), -1 / (1 + ramp)),
        "few values": rng.integers(0, 5, size).astype(np.float64),
        "one value": np.full(size, 0.1),
        "the same batch again": np.resize(rng.normal(size=BATCH), size),
    }
    return shapes[draw(st.sampled_from(sorted(shapes)))]


sketches = streams(800).map(lambda values: QuantileSketch.of(values, K))


def of_batches(values, k=K, batch=BATCH):
    sketch = QuantileSketch.of(values[:batch], k)
    for start in range(batch, len(values), batch):
        sketch = sketch.merge(QuantileSketch.of(values[start : start + batch], k))
    return sketch


def true_ranks(values, at):
    return np.searchsorted(np.sort(values.astype(np.float32)), at, side="right")


def worst_error(sketch, values):
    at = np.unique(values.astype(np.float32))
    return np.abs(sketch.ranks(at) - true_ranks(values, at)).max(initial=0)


@given(sketches, sketches)
def test_merge_commutes_exactly(a, b):
    assert a.merge(b) == b.merge(a)


@given(st.lists(sketches, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_merging_many_does_not_depend_on_their_order(parts, random):
    shuffled = random.sample(parts, len(parts))
    assert QuantileSketch.merge_all(shuffled) == QuantileSketch.merge_all(parts)


@given(streams(800), streams(800), streams(800))
def test_merge_associates_within_the_error(x, y, z):
    a, b, c = (QuantileSketch.of(values, K) for values in (x, y, z))
    left, right = a.merge(b).merge(c), a.merge(b.merge(c))
    at = np.concatenate([x, y, z])
    assert left.count == right.count
    assert np.abs(left.ranks(at) - right.ranks(at)).max(initial=0) <= (left.error + right.error) * left.count


@given(sketches)
def test_an_empty_sketch_is_neutral(a):
    assert a.merge(QuantileSketch.of([], K)) == a


@given(streams())
def test_weight_is_exact_and_size_bounded(values):
    for sketch in (QuantileSketch.of(values, K), of_batches(values)):
        assert sketch.count == values.size
        assert sum(level.size for level in sketch.levels) <= 3 * K + 8 * len(sketch.levels)


@settings(deadline=None)
@given(streams())
def test_ranks_are_within_the_error_after_many_merges(values):
    sketch = of_batches(values)
    assert worst_error(sketch, values) <= sketch.error * values.size


@given(streams(150))
def test_as_few_values_as_k_are_kept_exactly(values):
    sketch = of_batches(values, k=200, batch=7)
    assert sketch.error == 0
    assert worst_error(sketch, values) == 0


def test_usual_error_is_well_below_the_bound():
    values = np.random.default_rng(1).normal(size=(20, 20_000))
    errors = [worst_error(of_batches(row, k=200, batch=500), row) / row.size for row in values]
    assert np.mean(errors) < QuantileSketch.of(values[0]).error / 4


def test_coins_are_fair_though_each_batch_is_the_same():
    batch = np.random.default_rng(2).normal(size=501)
    sketch = QuantileSketch.of(batch)
    total = sketch
    for _ in range(200):
        total = total.merge(sketch)
    at = np.linspace(-2, 2, 9)
    assert total.ranks(at) / total.count == pytest.approx(sketch.ranks(at) / sketch.count, abs=0.02)


def test_equal_values_give_an_equal_sketch_on_every_machine():
    sketch = QuantileSketch.of(np.arange(1000), 8)
    assert [level.tolist() for level in sketch.levels] == [[], [], [], [992], [], list(range(24, 1000, 32))]


def test_quantiles_are_the_least_values_with_that_share():
    sketch = QuantileSketch.of([3, 1, 2, 2])
    assert sketch.quantiles([0, 0.25, 0.26, 0.75, 0.76, 1]).tolist() == [1, 1, 2, 2, 3, 3]
    assert sketch.ranks([0, 1, 1.5, 2, 3, 4]).tolist() == [0, 1, 1, 3, 4, 4]


def test_the_coarser_k_wins():
    values = np.arange(1000.0)
    assert QuantileSketch.of(values, 100).merge(QuantileSketch.of(values, 50)).k == 50


@pytest.mark.parametrize(
    ("k", "levels"), [(4, ()), (8, ([2.0, 1.0],)), (8, ([np.nan],)), (8, ([1.0], [])), (8, ([[1.0]],))]
)
def test_contradictions_are_refused(k, levels):
    with pytest.raises(InvalidInput):
        QuantileSketch(k, tuple(np.array(level) for level in levels))


def test_quantiles_of_nothing_and_beyond_all_are_refused():
    with pytest.raises(InvalidInput):
        QuantileSketch.of([]).quantiles(0.5)
    with pytest.raises(InvalidInput):
        QuantileSketch.of([1.0]).quantiles([1.5])
