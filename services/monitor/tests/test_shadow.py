"""Answers that were only logged beside the answers that callers got."""

import math
from typing import Any

import numpy as np
import pytest
from tidemill.v1.monitoring_pb2 import ShadowEvidence
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, PredictionBatch
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.shadow import compare

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY


@pytest.fixture
def partition(make: Any) -> Partition:
    return Partition(2, make.released())


@pytest.fixture
def quantities(make: Any) -> Partition:
    return Partition(2, make.quantities())


def copied(make: Any, ids: list[str], version: int = 2, **options: Any) -> PredictionBatch:
    """Answers of a version that only watched."""
    message: PredictionBatch = make.batch(ids, version=version, role=ARM_ROLE_MIRROR, **options)
    return message


def shadow(make: Any, partition: Partition, *batches: PredictionBatch, version: int = 2) -> ShadowEvidence:
    """What the first pane of a version that watched says after these batches."""
    for offset, batch in enumerate(batches):
        partition.add_predictions(batch, offset, NOW)
    told: ShadowEvidence = make.partials(partition)[version, 0].shadow
    return told


@pytest.mark.parametrize("first", ["answer", "copy"])
def test_a_pair_is_told_whichever_of_both_came_first(make: Any, partition: Partition, first: str) -> None:
    answer, copy = make.batch(["a"]), copied(make, ["a"])
    batches = [answer, copy] if first == "answer" else [copy, answer]
    pairs = []
    for offset, batch in enumerate(batches):
        partition.add_predictions(batch, offset, NOW)
        told = make.partials(partition)
        pairs.append(told[2, 0].shadow.pairs if (2, 0) in told else None)
    assert pairs == ([None, 1] if first == "answer" else [0, 1])


def test_a_pair_is_counted_once(make: Any, partition: Partition) -> None:
    assert shadow(make, partition, make.batch(["a"]), copied(make, ["a"])).pairs == 1
    partition.add_predictions(copied(make, ["a"]), 2, NOW)
    partition.add_predictions(make.batch(["a"]), 3, NOW)
    partition.add_predictions(make.batch(["b"]), 4, NOW)
    partition.add_predictions(copied(make, ["b"]), 5, NOW)
    partition.add_truths(make.truth("a"), 0, NOW)
    assert make.partials(partition)[2, 0].shadow.pairs == 2


def test_an_answer_without_its_partner_is_no_pair(make: Any, partition: Partition) -> None:
    told = shadow(make, partition, make.batch(["a", "b"]), copied(make, ["b", "c"]))
    assert (told.pairs, told.agreements, told.distance.count, told.delay.count) == (1, 1, 1, 1)


@pytest.mark.parametrize("failing", ["answer", "copy", "both"])
def test_a_prediction_that_failed_on_either_side_is_no_pair(make: Any, partition: Partition, failing: str) -> None:
    answer = make.batch(["a"], error="" if failing == "copy" else "failed")
    copy = copied(make, ["a"], error="" if failing == "answer" else "failed")
    assert shadow(make, partition, answer, copy).pairs == 0


def test_classes_agree_and_probabilities_have_a_distance(make: Any, partition: Partition) -> None:
    told = shadow(
        make,
        partition,
        make.batch(["a", "b"], probability=0.75),
        copied(make, ["a"], probability=0.625),
        copied(make, ["b"], probability=0.25),
    )
    assert (told.pairs, told.agreements, told.distance.count) == (2, 1, 2)
    assert (told.distance.sum, told.distance.sum_of_squares) == pytest.approx((0.625, 0.265625))


def test_classes_without_probabilities_are_alike_or_one_apart() -> None:
    agree, distance = compare(np.array([[1.0], [2.0], [np.nan]]), np.array([[1.0], [0.0], [1.0]]), classes=True)
    assert agree.tolist() == [True, False, False]
    assert distance.tolist() == pytest.approx([0.0, 1.0, np.nan], nan_ok=True)


def test_quantities_agree_up_to_a_millionth_and_their_distance_is_absolute(make: Any, quantities: Partition) -> None:
    told = shadow(
        make,
        quantities,
        make.batch(["a", "b", "c"], quantity=1.0),
        copied(make, ["a"], quantity=1.0 + 5e-7),
        copied(make, ["b"], quantity=1.0 - 1e-5),
        copied(make, ["c"], quantity=-0.5),
    )
    assert (told.pairs, told.agreements, told.distance.count) == (3, 1, 3)
    assert (told.distance.sum, told.distance.sum_of_squares) == pytest.approx((1.5, 2.25), abs=2e-5)


@pytest.mark.parametrize("odd", ["answer", "copy", "both"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_answer_that_is_no_number_agrees_with_none_and_has_no_distance(
    make: Any, partition: Partition, quantities: Partition, odd: str, value: float
) -> None:
    for one, field in ((partition, "probability"), (quantities, "quantity")):
        answer = make.batch(["a", "b"], **{field: 0.75})
        copy = copied(make, ["a", "b"], **{field: 0.75})
        for batch in (answer, copy):
            if odd in ("both", "answer" if batch is answer else "copy"):
                batch.outputs[-1].numbers.values[0] = value
        told = shadow(make, one, answer, copy)
        assert (told.agreements, told.distance.count) == (1, 1)
        assert math.isfinite(told.distance.sum)


def test_a_delay_is_how_much_longer_the_copy_took(make: Any, partition: Partition) -> None:
    unsaid = copied(make, ["c"])
    unsaid.ClearField("latencies")
    told = shadow(
        make,
        partition,
        make.batch(["a", "b", "c"], latency=0.25),
        copied(make, ["a"], latency=0.75),
        copied(make, ["b"], latency=0.125),
        unsaid,
    )
    assert (told.pairs, told.delay.count) == (3, 2)
    assert (told.delay.sum, told.delay.sum_of_squares) == (0.375, 0.265625)


def test_a_copy_is_compared_with_whichever_version_answered(make: Any, partition: Partition) -> None:
    told = shadow(
        make,
        partition,
        make.batch(["a"], probability=0.75),
        make.batch(["b"], version=2, probability=0.25),
        copied(make, ["a", "b"], version=3, probability=0.75),
        version=3,
    )
    assert (told.pairs, told.agreements, told.distance.sum) == (2, 1, 0.5)


def test_only_what_watched_tells_of_pairs(make: Any, partition: Partition) -> None:
    shadow(make, partition, make.batch(["a"]), copied(make, ["a"]))
    partition.add_predictions(make.batch(["b"]), 2, NOW)
    told = make.partials(partition)
    assert {version: one.HasField("shadow") for (version, _), one in told.items()} == {1: False, 2: True}
