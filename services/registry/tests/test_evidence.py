"""What of the monitor's evidence may be used, and what of it is new."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill.v1.monitoring_pb2 import ArmEvidence, EpochEvidence, LabelPane, RolloutEvidence, ShadowEvidence
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_registry.domain.evidence import MOST_UNITS, Arms, News, merge_units, news, sampled, usable
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.blocks import Block, Proportion

MINUTE = 60_000_000
CHAMPION, CANDIDATE, OTHER = 4, 5, 6
EPOCH = 9
ARMS = Arms(CHAMPION, CANDIDATE, EPOCH)
NOTHING = Block(MeanEstimate(), MeanEstimate())


def sums(values: Iterable[float]) -> MetricSums:
    estimate = MeanEstimate.of(list(values))
    return MetricSums(count=estimate.count, sum=estimate.sum, sum_of_squares=estimate.sum_of_squares)


def failed(failures: int, rows: int) -> MeanEstimate:
    """`failures` ones among zeros."""
    return MeanEstimate(rows, float(failures), float(failures))


def counted(
    epoch: int = EPOCH,
    predictions: int = 0,
    errors: int = 0,
    slow: int = 0,
    latency: Iterable[float] = (),
    units: Iterable[int] = (),
) -> EpochEvidence:
    return EpochEvidence(
        epoch=epoch, predictions=predictions, errors=errors, slow=slow, latency=sums(latency), units=units
    )


def known_at(minute: int, *losses: float, metric: str = "error_rate") -> LabelPane:
    """Labels that became known in the pane that begins at `minute`, and a loss on each."""
    return LabelPane(start=minute * MINUTE, labelled=len(losses), metrics={metric: sums(losses)})


def arm(
    version: int,
    *epochs: EpochEvidence,
    labels: Sequence[LabelPane] = (),
    mirror: bool = False,
    shadow: ShadowEvidence | None = None,
) -> ArmEvidence:
    return ArmEvidence(
        version=version,
        mirror=mirror,
        predictions=sum(one.predictions for one in epochs),
        labelled=sum(pane.labelled for pane in labels),
        epochs=epochs,
        labels=labels,
        shadow=shadow,
    )


def telling(*arms: ArmEvidence, minute: int = 0, complete_until: int = 1000) -> RolloutEvidence:
    """Of the pane that begins at `minute` and lasts one; everything up to minute `complete_until` was read.

    Where no arm says by which epoch it was asked, both were by the present one.
    """
    asked = [] if any(one.epochs for one in arms) else [arm(CHAMPION, counted(EPOCH)), arm(CANDIDATE, counted(EPOCH))]
    return RolloutEvidence(
        model="rides",
        start=minute * MINUTE,
        length=MINUTE,
        complete_until=complete_until * MINUTE,
        arms=[*arms, *asked],
    )


def told(now: RolloutEvidence, before: RolloutEvidence | None = None, epoch: int = EPOCH) -> News:
    return news(now, before, ARMS, epoch)


def label_minutes(evidence: RolloutEvidence) -> list[int]:
    return [pane.start // MINUTE for one in evidence.arms for pane in one.labels]


LABELLED = [known_at(minute, 0, 1) for minute in range(10)]


def test_labels_of_a_pane_that_is_not_complete_are_left_for_later():
    assert label_minutes(usable(telling(arm(CANDIDATE, labels=LABELLED), complete_until=3), 60 * MINUTE)) == [0, 1, 2]
    assert label_minutes(usable(telling(arm(CANDIDATE, labels=LABELLED), complete_until=10), 60 * MINUTE)) == [
        *range(10)
    ]


def test_a_pane_of_labels_is_complete_only_when_all_of_it_was_read():
    evidence = telling(arm(CANDIDATE, labels=LABELLED))
    evidence.complete_until = 3 * MINUTE - 1

    assert label_minutes(usable(evidence, 60 * MINUTE)) == [0, 1]


def test_no_label_is_used_while_it_is_not_known_how_far_everything_was_read():
    assert label_minutes(usable(telling(arm(CANDIDATE, labels=LABELLED), complete_until=0), 60 * MINUTE)) == []


@pytest.mark.parametrize(("wait", "last"), [(0, 2), (1, 3), (MINUTE, 3), (2 * MINUTE, 4)])
def test_labels_known_longer_than_the_wait_after_their_pane_are_not_used(wait: int, last: int):
    late = [known_at(minute, 1) for minute in range(2, 9)]
    kept = label_minutes(usable(telling(arm(CHAMPION, labels=late), arm(CANDIDATE, labels=late), minute=2), wait))

    assert kept == [*range(2, last + 1)] * 2


def test_leaving_labels_out_leaves_the_telling_and_all_else_of_it_as_they_were():
    evidence = telling(arm(CANDIDATE, counted(predictions=3, errors=1), labels=LABELLED), complete_until=3)
    before = evidence.SerializeToString()

    kept = usable(evidence, MINUTE)

    assert evidence.SerializeToString() == before
    assert kept.arms[0].epochs == evidence.arms[0].epochs
    assert kept.complete_until == evidence.complete_until


def test_labels_that_may_not_be_used_are_not_counted_as_labelled():
    evidence = telling(arm(CANDIDATE, labels=LABELLED), complete_until=3)

    assert told(usable(evidence, 60 * MINUTE)).labelled == 6
    assert told(usable(evidence, MINUTE)).labelled == 4


BOTH = telling(
    arm(CHAMPION, counted(predictions=10, errors=1, slow=2, latency=[0.5, 1]), labels=[known_at(0, 0, 0, 1)]),
    arm(CANDIDATE, counted(predictions=4, errors=2, slow=1, latency=[2]), labels=[known_at(0, 1, 1)]),
    arm(CANDIDATE, mirror=True, shadow=ShadowEvidence(pairs=5, agreements=4, distance=sums([0, 0, 0, 0, 0.5]))),
)


def test_the_first_telling_is_all_news():
    assert told(BOTH) == News(
        rates={
            "errors": Block(Proportion(1, 10), Proportion(2, 4)),
            "slow": Block(Proportion(2, 10), Proportion(1, 4)),
        },
        labels={"error_rate": (Block(failed(1, 3), failed(2, 2)),)},
        predictions=4,
        labelled=2,
        pairs=5,
        agreements=4,
        latency=Block(MeanEstimate.of([0.5, 1]), MeanEstimate.of([2])),
        distance=MeanEstimate.of([0, 0, 0, 0, 0.5]),
    )


def test_the_same_telling_is_no_news():
    assert told(BOTH, BOTH) == News()


def test_of_a_telling_that_grew_only_the_difference_is_news():
    more = telling(
        arm(
            CHAMPION,
            counted(predictions=15, errors=1, slow=4, latency=[0.5, 1, 3]),
            labels=[known_at(0, 0, 0, 1), known_at(1, 1)],
        ),
        arm(CANDIDATE, counted(predictions=6, errors=3, slow=1, latency=[2]), labels=[known_at(0, 1, 1, 0)]),
        arm(CANDIDATE, mirror=True, shadow=ShadowEvidence(pairs=8, agreements=5, distance=sums([0, 0, 0, 0, 0.5, 1]))),
    )

    assert told(more, BOTH) == News(
        rates={"errors": Block(Proportion(0, 5), Proportion(1, 2)), "slow": Block(Proportion(2, 5), Proportion(0, 2))},
        labels={
            "error_rate": (
                Block(MeanEstimate(), failed(0, 1)),
                Block(failed(1, 1), MeanEstimate()),
            )
        },
        predictions=2,
        labelled=1,
        pairs=3,
        agreements=1,
        latency=Block(MeanEstimate.of([3]), MeanEstimate()),
        distance=MeanEstimate.of([1]),
    )


def test_a_telling_without_rows_of_either_arm_is_no_news():
    assert told(telling()) == News()
    assert told(telling(arm(OTHER, counted(predictions=9, errors=9), labels=LABELLED))) == News()


def test_a_label_corrected_for_the_better_takes_nothing_back():
    before = telling(arm(CHAMPION, labels=[known_at(0, 1, 1, 1)]), arm(CANDIDATE, labels=[known_at(0, 1, 1)]))
    after = telling(arm(CHAMPION, labels=[known_at(0, 0, 1, 1)]), arm(CANDIDATE, labels=[known_at(0, 0, 0)]))

    assert told(after, before) == News()


def test_labels_taken_away_are_no_news():
    before = telling(arm(CHAMPION, labels=[known_at(0, 1, 1, 1)]), arm(CANDIDATE, labels=[known_at(0, 1, 1)]))
    after = telling(arm(CHAMPION, labels=[known_at(0, 1)]), arm(CANDIDATE))

    assert told(after, before) == News()


def test_a_correction_together_with_a_new_label_is_news_that_rows_could_have_given():
    before = telling(arm(CANDIDATE, labels=[known_at(0, 1, 1, 1, 1)]))
    after = telling(arm(CANDIDATE, labels=[known_at(0, 0, 0, 0, 0, 1)]))

    ((block,),) = told(after, before).labels.values()

    assert block.candidate.count == 1
    assert block.candidate.sum >= 0
    assert block.candidate.sum**2 <= block.candidate.count * block.candidate.sum_of_squares


def test_a_pair_that_is_told_otherwise_later_is_no_agreement_without_a_pair():
    before = telling(arm(CANDIDATE, mirror=True, shadow=ShadowEvidence(pairs=3, agreements=1)))
    after = telling(arm(CANDIDATE, mirror=True, shadow=ShadowEvidence(pairs=3, agreements=2)))

    assert (told(after, before).pairs, told(after, before).agreements) == (0, 0)


def test_what_the_champion_mirrored_does_not_count_and_what_the_candidate_mirrored_does():
    rows = (counted(predictions=10, errors=5, slow=5, latency=[1] * 10),)
    labels = [known_at(0, 1, 1)]
    mirrored = telling(
        arm(CHAMPION, counted()),
        arm(CHAMPION, *rows, labels=labels, mirror=True, shadow=ShadowEvidence(pairs=7, agreements=7)),
        arm(CANDIDATE, *rows, labels=labels, mirror=True, shadow=ShadowEvidence(pairs=7, agreements=3)),
    )

    found = told(mirrored)

    assert found.rates["errors"] == Block(Proportion(), Proportion(5, 10))
    assert found.labels == {"error_rate": (Block(MeanEstimate(), failed(2, 2)),)}
    assert (found.pairs, found.agreements) == (7, 3)
    assert found.latency == Block(MeanEstimate(), MeanEstimate.of([1] * 10))


def test_what_the_candidate_answered_and_what_it_watched_count_together():
    both = telling(
        arm(CHAMPION, counted()),
        arm(CANDIDATE, counted(predictions=10, errors=1), labels=[known_at(0, 1)]),
        arm(CANDIDATE, counted(predictions=5, errors=2), labels=[known_at(0, 0)], mirror=True),
    )

    found = told(both)

    assert found.rates["errors"].candidate == Proportion(3, 15)
    assert found.labels == {"error_rate": (Block(MeanEstimate(), failed(1, 2)),)}
    assert (found.predictions, found.labelled) == (15, 2)


def test_rows_of_epochs_before_the_release_do_not_count_for_rates():
    evidence = telling(
        arm(CHAMPION, counted(EPOCH - 1, 100, 50, 50, [9]), counted(EPOCH, 10, 1), counted(EPOCH + 1, 5, 1)),
        arm(CANDIDATE, counted(EPOCH - 1, 100, 50, 50, [9]), counted(EPOCH, 4, 2)),
    )

    found = told(evidence)

    assert found.rates["errors"] == Block(Proportion(2, 15), Proportion(2, 4))
    assert found.rates["slow"] == Block(Proportion(0, 15), Proportion(0, 4))
    assert found.predictions == 4
    assert found.latency == NOTHING


def test_units_are_those_of_the_present_epoch_alone():
    evidence = telling(
        arm(CHAMPION, counted(EPOCH, units=[1, 2]), counted(EPOCH + 1, units=[5, 6])),
        arm(CANDIDATE, counted(EPOCH, units=[3]), counted(EPOCH + 1, units=[7])),
    )

    assert told(evidence, epoch=EPOCH).units == ((1, 2), (3,))
    assert told(evidence, epoch=EPOCH + 1).units == ((5, 6), (7,))
    assert told(evidence, evidence, epoch=EPOCH + 1).units == ((5, 6), (7,))
    assert told(evidence, epoch=EPOCH + 2).units == ((), ())


def test_units_of_what_only_watched_are_no_part_of_the_split():
    mirrored = telling(arm(CHAMPION, counted(units=[1]), mirror=True), arm(CANDIDATE, counted(units=[2]), mirror=True))

    assert told(mirrored).units == ((), ())


def test_a_block_pairs_the_labels_of_both_arms_that_became_known_in_one_pane():
    evidence = telling(
        arm(CHAMPION, labels=[known_at(1, 1, 1), known_at(2, 0), known_at(4, 0, 0)]),
        arm(CANDIDATE, labels=[known_at(1, 0), known_at(3, 1, 1, 1), known_at(4, 1)]),
    )

    assert told(evidence).labels == {
        "error_rate": (
            Block(failed(2, 2), failed(0, 1)),
            Block(failed(0, 1), MeanEstimate()),
            Block(MeanEstimate(), failed(3, 3)),
            Block(failed(0, 2), failed(1, 1)),
        )
    }


def test_each_metric_has_its_own_blocks():
    losses = [known_at(0, 0.5, metric="log_loss"), known_at(1, 0.25, 0.125, metric="log_loss")]
    evidence = telling(arm(CHAMPION, labels=[known_at(0, 1)]), arm(CANDIDATE, labels=losses))

    assert told(evidence).labels == {
        "error_rate": (Block(failed(1, 1), MeanEstimate()),),
        "log_loss": (
            Block(MeanEstimate(), MeanEstimate.of([0.5])),
            Block(MeanEstimate(), MeanEstimate.of([0.25, 0.125])),
        ),
    }


@dataclass(frozen=True)
class Row:
    """One prediction. `label`: the minute in which its label became known, and the loss; None: none so far."""

    version: int
    mirror: bool
    epoch: int
    error: bool
    slow: bool
    seconds: int
    label: tuple[int, int] | None
    agrees: bool


ROWS = st.builds(
    Row,
    version=st.sampled_from((CHAMPION, CANDIDATE)),
    mirror=st.booleans(),
    epoch=st.integers(EPOCH - 1, EPOCH + 1),
    error=st.booleans(),
    slow=st.booleans(),
    seconds=st.integers(0, 5),
    label=st.none() | st.tuples(st.integers(0, 6), st.integers(0, 1)),
    agrees=st.booleans(),
)


def tell(rows: Sequence[Row], complete_until: int = 1000) -> RolloutEvidence:
    """What the monitor tells of one pane with these rows."""
    arms = []
    for version, mirror in sorted({(row.version, row.mirror) for row in rows}):
        mine = [row for row in rows if (row.version, row.mirror) == (version, mirror)]
        epochs = [
            _epoch(epoch, [row for row in mine if row.epoch == epoch]) for epoch in sorted({r.epoch for r in mine})
        ]
        labels = [row.label for row in mine if row.label is not None]
        panes = [known_at(at, *(loss for one, loss in labels if one == at)) for at in sorted({at for at, _ in labels})]
        agreements = sum(row.agrees for row in mine)
        shadow = ShadowEvidence(
            pairs=len(mine), agreements=agreements, distance=sums(float(not row.agrees) for row in mine)
        )
        arms.append(arm(version, *epochs, labels=panes, mirror=mirror, shadow=shadow if mirror else None))
    return telling(*arms, complete_until=complete_until)


def _epoch(epoch: int, rows: Sequence[Row]) -> EpochEvidence:
    errors, slow = sum(row.error for row in rows), sum(row.slow for row in rows)
    return counted(epoch, len(rows), errors, slow, (float(row.seconds) for row in rows))


def total(some: Sequence[News]) -> dict[str, object]:
    """All that several pieces of news add up to."""

    def blocks(parts: Iterable[Sequence[Block]], nothing: Block) -> Block:
        return reduce(add, (block for part in parts for block in part), nothing)

    none = Block(Proportion(), Proportion())
    return {
        "errors": blocks(([one.rates["errors"]] for one in some if "errors" in one.rates), none),
        "slow": blocks(([one.rates["slow"]] for one in some if "slow" in one.rates), none),
        "labels": blocks((one.labels.get("error_rate", ()) for one in some), NOTHING),
        "latency": blocks(([one.latency] for one in some), NOTHING),
        "distance": sum((one.distance for one in some), MeanEstimate()),
        **{
            name: sum(getattr(one, name) for one in some) for name in ("predictions", "labelled", "pairs", "agreements")
        },
    }


@given(st.lists(ROWS, max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=5))
def test_a_pane_told_in_growing_steps_says_as_much_as_told_once(rows: list[Row], steps: list[tuple[int, int]]):
    counts, read = (sorted(one) for one in zip(*steps, (len(rows), 8), strict=True))
    tellings = [usable(tell(rows[:count], until), 5 * MINUTE) for count, until in zip(counts, read, strict=True)]

    parts = [told(now, before) for now, before in zip(tellings, [None, *tellings], strict=False)]

    assert total(parts) == total([told(tellings[-1])])


@given(st.lists(ROWS, max_size=20), st.lists(ROWS, max_size=20))
def test_news_counts_nothing_below_0_whatever_was_told_before(now: list[Row], before: list[Row]):
    found = told(tell(now), tell(before))

    assert min(found.predictions, found.labelled, found.pairs, found.agreements, found.distance.count) >= 0
    assert all(0 <= side.successes <= side.rows for rate in found.rates.values() for side in _sides(rate))
    some = [found.latency, *(block for blocks in found.labels.values() for block in blocks)]
    assert all(side.count >= 0 and side.sum_of_squares >= 0 for block in some for side in _sides(block))


def _sides(block: Block) -> tuple:
    return block.champion, block.candidate


def hashes(seed: int, size: int) -> list[int]:
    source = random.Random(seed)
    return [source.randrange(3_000) for _ in range(size)]


MANY = st.builds(hashes, st.integers(0, 2**32), st.integers(0, 2_000))


@given(MANY, MANY)
def test_merged_units_are_the_smallest_distinct_ones(one: list[int], other: list[int]):
    merged = merge_units(one, other)

    assert merged == tuple(sorted(set(one) | set(other))[:1024])
    assert merge_units(other, one) == merged


@given(MANY, MANY, MANY)
def test_units_may_be_merged_in_any_order(one: list[int], other: list[int], third: list[int]):
    merged = merge_units(merge_units(one, other), third)

    assert merged == merge_units(one, merge_units(other, third))
    assert merged == merge_units(merged, merged)


def test_units_that_are_all_known_all_count():
    assert sampled((), ()) == (0, 0)
    assert sampled((1, 2, 2**64 - 1), (3,)) == (3, 1)


def test_where_one_arm_is_known_in_part_only_units_below_its_limit_count():
    part = tuple(range(0, 2 * MOST_UNITS, 2))
    limit = part[-1]

    assert sampled(part, (1, 3, limit - 1, limit + 1, 2**63)) == (MOST_UNITS, 3)
    assert sampled((1, 3, limit - 1, limit + 1, 2**63), part) == (3, MOST_UNITS)


def test_where_both_arms_are_known_in_part_only_units_below_the_common_limit_count():
    dense, sparse = tuple(range(MOST_UNITS)), tuple(range(0, 10 * MOST_UNITS, 10))

    assert sampled(dense, sparse) == (MOST_UNITS, 103)
    assert sampled(sparse, dense) == (103, MOST_UNITS)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.9])
def test_the_sample_of_many_units_is_split_as_all_of_them_are(share: float):
    source = random.Random(17)
    counts = [0, 0]
    for _ in range(20):
        arms: tuple[list[int], list[int]] = ([], [])
        for _ in range(20_000):
            arms[source.random() < share].append(source.getrandbits(64))
        champion, candidate = sampled(merge_units((), arms[0]), merge_units((), arms[1]))
        counts[0] += champion
        counts[1] += candidate

    error = (share * (1 - share) / sum(counts)) ** 0.5
    assert sum(counts) > 20 * MOST_UNITS
    assert counts[1] / sum(counts) == pytest.approx(share, abs=4 * error)


def test_labels_of_a_pane_in_which_one_version_alone_was_asked_are_no_news():
    alone = telling(arm(CHAMPION, counted(EPOCH, 10), labels=LABELLED), arm(CANDIDATE, counted(EPOCH - 1, 10)))

    assert told(alone).labels == {}
