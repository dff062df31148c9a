import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_stats.errors import InvalidInput
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.alpha import split_alpha
from tidemill_stats.sequential.blocks import Block, Proportion, merge_blocks
from tidemill_stats.sequential.means import MeanTest
from tidemill_stats.sequential.proportions import ProportionTest

values = st.lists(st.floats(-100, 100), max_size=6)
mean_blocks = st.builds(lambda a, b: Block(MeanEstimate.of(a), MeanEstimate.of(b)), values, values)
proportions = st.integers(0, 50).flatmap(lambda n: st.builds(Proportion, st.integers(0, n), st.just(n)))
proportion_blocks = st.builds(Block, proportions, proportions)


def partitions(blocks):
    return st.lists(st.dictionaries(st.integers(0, 5), blocks, max_size=6), min_size=1, max_size=4)


@given(partitions(mean_blocks), st.randoms())
def test_partitions_merge_to_the_same_test_of_means_in_any_order(parts, random):
    assert _after(MeanTest.start(0.05), parts) == _after(MeanTest.start(0.05), random.sample(parts, len(parts)))


@given(partitions(proportion_blocks), st.randoms())
def test_partitions_merge_to_the_same_test_of_proportions_in_any_order(parts, random):
    start = ProportionTest.start(0.05, 0.1)
    assert _after(start, parts) == _after(start, random.sample(parts, len(parts)))


@given(st.lists(st.tuples(st.integers(0, 3), proportion_blocks), max_size=12), st.integers(1, 4))
def test_how_rows_were_spread_over_partitions_does_not_matter(rows, count):
    one, several = {}, [{} for _ in range(count)]
    for index, (key, block) in enumerate(rows):
        for part in (one, several[index % count]):
            part[key] = part[key] + block if key in part else block
    start = ProportionTest.start(0.05, 0.1)
    assert _after(start, [one]) == _after(start, several)


def test_blocks_come_in_order_of_their_key():
    block = Block(1, 2)
    assert merge_blocks([{30: block}, {10: block, 30: block}]) == [(10, block), (30, Block(2, 4))]


@pytest.mark.parametrize("counts", [(-1, 3), (4, 3), (0, -1)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(InvalidInput):
        Proportion(*counts)


@given(st.floats(0.001, 0.5), st.dictionaries(st.text(max_size=3), st.floats(0.01, 100), min_size=1))
def test_alpha_is_split_in_proportion_and_never_exceeded(alpha, weights):
    parts = split_alpha(alpha, weights)
    assert sum(parts.values()) == pytest.approx(alpha)
    assert parts.keys() == weights.keys()
    assert all(parts[a] * weights[b] == pytest.approx(parts[b] * weights[a]) for a in weights for b in weights)


@pytest.mark.parametrize(("alpha", "weights"), [(0.05, {}), (0.05, {"a": 0.0}), (1.0, {"a": 1.0}), (0.0, {"a": 1.0})])
def test_unusable_alphas_and_weights_are_refused(alpha, weights):
    with pytest.raises(InvalidInput):
        split_alpha(alpha, weights)


def _after(test, parts):
    for _, block in merge_blocks(parts):
        test = test.observe(block)
    return test
