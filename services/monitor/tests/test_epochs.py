"""The rows of a pane by the epoch of their route, while a release is under way."""

from typing import Any

import numpy as np
import pytest
from tidemill.v1.monitoring_pb2 import EpochEvidence, PanePartial
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR
from tidemill_monitor.domain.block import CAPACITY
from tidemill_monitor.domain.partition import Partition

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY
MOST_UNITS = 1024


@pytest.fixture
def partition(make: Any) -> Partition:
    return Partition(2, make.released(serving={"latency": 0.125}))


def epochs(make: Any, partition: Partition) -> list[EpochEvidence]:
    return list(make.partials(partition)[1, 0].epochs)


def test_rows_errors_and_slow_answers_are_counted_by_epoch(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], latency=0.125, epoch=4), 0, NOW)
    partition.add_predictions(make.batch(["c"], latency=0.25, epoch=4), 1, NOW)
    partition.add_predictions(make.batch(["d", "e"], latency=3.0, epoch=4, error="too late"), 2, NOW)
    partition.add_predictions(make.batch(["f"], epoch=3), 3, NOW)
    first, second = epochs(make, partition)
    assert (first.epoch, first.predictions, first.errors, first.slow) == (3, 1, 0, 0)
    assert (second.epoch, second.predictions, second.errors, second.slow) == (4, 5, 2, 1)


def test_an_epoch_that_goes_on_is_counted_on(make: Any, partition: Partition) -> None:
    counted = []
    for name in "abc":
        partition.add_predictions(make.batch([name], latency=1.0, units=[7]), ord(name), NOW)
        (epoch,) = epochs(make, partition)
        counted.append((epoch.predictions, epoch.slow, epoch.latency.count, list(epoch.units)))
    assert counted == [(1, 1, 1, [7]), (2, 2, 2, [7]), (3, 3, 3, [7])]


@pytest.mark.parametrize("objective", [0.1, 0.3, 0.7])
def test_an_answer_as_slow_as_the_objective_is_not_slow(make: Any, objective: float) -> None:
    partition = Partition(2, make.released(serving={"latency": objective}))
    partition.add_predictions(make.batch(["a"], latency=objective), 0, NOW)
    assert epochs(make, partition)[0].slow == 0


def test_latencies_are_summed_of_answers_that_say_how_long_they_took(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"], latency=0.25), 0, NOW)
    partition.add_predictions(make.batch(["b"], latency=0.5), 1, NOW)
    partition.add_predictions(make.batch(["c"], latency=2.0, error="failed"), 2, NOW)
    unsaid = make.batch(["d"])
    unsaid.ClearField("latencies")
    partition.add_predictions(unsaid, 3, NOW)
    (epoch,) = epochs(make, partition)
    assert (epoch.predictions, epoch.latency.count) == (4, 2)
    assert (epoch.latency.sum, epoch.latency.sum_of_squares) == pytest.approx((0.75, 0.3125))


def test_units_are_distinct_and_those_that_the_weights_did_not_choose_left_out(make: Any, partition: Partition) -> None:
    largest = 2**64 - 1
    partition.add_predictions(make.batch(list("abcde"), units=[9, 0, largest, 9, 4]), 0, NOW)
    partition.add_predictions(make.batch(["f"], units=[9], epoch=2), 1, NOW)
    partition.add_predictions(make.batch(["g"]), 2, NOW)
    assert [list(one.units) for one in epochs(make, partition)] == [[4, 9, largest], [9]]


def test_only_the_smallest_units_are_told(make: Any, partition: Partition) -> None:
    units = np.random.default_rng(3).permutation(np.arange(1, 3001))
    for first in range(0, units.size, 1000):
        some = units[first : first + 1000].tolist()
        batch = make.batch([f"p{unit}" for unit in some], [START] * len(some), units=some)
        partition.add_predictions(batch, first, NOW)
        (epoch,) = epochs(make, partition)
        assert list(epoch.units) == sorted(units[: first + 1000].tolist())[:MOST_UNITS]


def test_a_mirror_has_epochs_and_no_units(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], version=2, role=ARM_ROLE_MIRROR, units=[5, 6]), 0, NOW)
    (epoch,) = make.partials(partition)[2, 0].epochs
    assert (epoch.predictions, list(epoch.units)) == (2, [])


def feed(make: Any, partition: Partition) -> dict[Any, PanePartial]:
    """Answers, copies, errors and labels of two panes; what the partition tells of them."""
    ids = [f"p{row}" for row in range(CAPACITY + 10)]
    units = [row % 1500 for row in range(len(ids))]
    partition.add_predictions(make.batch(ids, [START] * len(ids), latency=0.03, units=units, epoch=1), 0, NOW)
    partition.add_predictions(make.batch(["x", "y"], latency=0.7, units=[1, 2], epoch=2), 1, NOW)
    partition.add_predictions(make.batch(["z"], [START + DAY], error="failed", epoch=2), 2, NOW)
    for offset, some in enumerate((ids[::2], ["x"]), 3):
        times, role = [START] * len(some), ARM_ROLE_MIRROR
        copies = make.batch(some, times, version=2, role=role, probability=0.4, latency=0.3, epoch=offset)
        partition.add_predictions(copies, offset, NOW)
    partition.add_truths(make.truths(*((one, 1.0, START + DAY) for one in ids[::3])), 0, NOW)
    told: dict[Any, PanePartial] = make.partials(partition)
    return told


def said(told: dict[Any, PanePartial]) -> dict[Any, bytes]:
    for one in told.values():
        one.watermark = 0
    return {key: one.SerializeToString(deterministic=True) for key, one in told.items()}


def test_what_was_stored_tells_the_same_epochs_and_pairs(make: Any, partition: Partition) -> None:
    told = feed(make, partition)
    assert [one.epoch for one in told[1, 0].epochs] == [1, 2]
    assert told[2, 0].shadow.pairs == CAPACITY // 2 + 6
    changes = [change for wave in partition.take_changes() for change in wave]
    again = Partition(2, make.released(serving={"latency": 0.125}))
    assert again.restore([(key, value) for key, value in changes if value]) == []
    assert said(make.partials(again)) == said(told)


def test_a_restored_pane_goes_on_where_it_was(make: Any, partition: Partition) -> None:
    feed(make, partition)
    stored = [(key, value) for wave in partition.take_changes() for key, value in wave if value]
    again = Partition(2, make.released(serving={"latency": 0.125}))
    again.restore(stored)
    make.partials(again)
    for one in (partition, again):
        one.add_predictions(make.batch(["more"], version=2, role=ARM_ROLE_MIRROR, epoch=3), 5, NOW)
        one.add_predictions(make.batch(["more"], units=[3], epoch=3), 6, NOW)
    assert said(make.partials(again)) == said(make.partials(partition))


def test_a_model_not_under_release_tells_of_no_epochs_and_no_pairs(make: Any) -> None:
    told = feed(make, Partition(2, make.catalogue()))
    assert not any(one.epochs or one.HasField("shadow") for one in told.values())


def test_a_pane_that_began_before_the_release_tells_of_all_its_rows(make: Any) -> None:
    catalogue = make.catalogue()
    partition = Partition(2, catalogue)
    partition.add_predictions(make.batch(["a"], epoch=1), 0, NOW)
    assert epochs(make, partition) == []
    catalogue.note_route(make.route())
    partition.add_predictions(make.batch(["b"], epoch=2), 1, NOW)
    assert [(one.epoch, one.predictions) for one in epochs(make, partition)] == [(1, 1), (2, 1)]
