from itertools import permutations
from typing import Any

import pytest
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR
from tidemill_monitor.domain.block import CAPACITY
from tidemill_monitor.domain.partition import Partition
from tidemill_stats import InvalidInput

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY


@pytest.fixture
def partition(make: Any) -> Partition:
    return Partition(2, make.catalogue())


def test_a_truth_joins_its_prediction(make: Any, partition: Partition) -> None:
    assert partition.add_predictions(make.batch(["a", "b"]), 0, NOW) == 2
    assert partition.add_truth(make.truth("b", 0.0), 0, START) == 1
    window = make.partials(partition)[1, 0]
    assert (window.predictions, window.labelled, window.partition) == (2, 1, 2)
    assert window.metrics["error_rate"].sum == 1
    assert partition.counts["tide", "matched"] == 1


def test_predictions_and_truths_may_come_in_any_order(make: Any) -> None:
    seen = set()
    for order in permutations(range(4)):
        partition = Partition(0, make.catalogue())
        for step in order:
            if step == 0:
                partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
            else:
                name, label = [("a", 1.0), ("b", 1.0), ("b", 0.0)][step - 1]
                partition.add_truth(make.truth(name, label), step, START)
        seen.add(make.partials(partition)[1, 0].SerializeToString(deterministic=True))
    assert len(seen) == 1


def test_a_later_truth_corrects_an_earlier_one(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_truth(make.truth("a", 1.0), 0, START)
    partition.add_truth(make.truth("a", 0.0), 1, START)
    window = make.partials(partition)[1, 0]
    assert (window.labelled, window.metrics["error_rate"].sum) == (1, 1)
    assert partition.counts["tide", "corrected"] == 1


def test_what_comes_twice_counts_once(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "b"]), 0, NOW)
    partition.add_truth(make.truth("a"), 0, START)
    first = make.partials(partition)
    assert partition.add_predictions(make.batch(["a", "b"]), 0, NOW) == 0
    partition.add_truth(make.truth("a"), 0, START)
    assert make.partials(partition) == {}
    assert first[1, 0].predictions == 2


def test_rows_go_to_the_window_of_their_event_time(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "c"], [START, START + DAY - 1, START + DAY]), 0, NOW)
    assert {day: one.predictions for (_, day), one in make.partials(partition).items()} == {0: 2, 1: 1}


def test_inputs_are_profiled_as_the_training_data(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch([str(row) for row in range(20)]), 0, NOW)
    inputs = make.partials(partition)[1, 0].inputs
    assert inputs.rows == 20
    assert [column.name for column in inputs.columns] == ["c", "x"]
    assert list(inputs.columns[1].numeric.edges) == make.reference.columns["x"].edges.tolist()


def test_mirrored_answers_are_scored_and_their_inputs_left_out(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_predictions(make.batch(["a"], version=2, role=ARM_ROLE_MIRROR), 1, NOW)
    assert partition.add_truth(make.truth("a"), 0, START) == 2
    windows = make.partials(partition)
    assert (windows[1, 0].labelled, windows[2, 0].labelled) == (1, 1)
    assert windows[1, 0].HasField("inputs")
    assert not windows[2, 0].HasField("inputs")


def test_failed_predictions_count_as_errors_without_score(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], error="no answer in time"), 0, NOW)
    partition.add_truth(make.truth("a"), 0, START)
    window = make.partials(partition)[1, 0]
    assert (window.predictions, window.errors, window.labelled) == (2, 2, 1)
    assert not window.metrics


def test_a_window_of_many_rows_spans_blocks(make: Any, partition: Partition) -> None:
    ids = [str(row) for row in range(CAPACITY + 10)]
    partition.add_predictions(make.batch(ids, [START] * len(ids)), 0, NOW)
    partition.add_predictions(make.batch(["x"], [START]), 1, NOW)
    partition.add_truth(make.truth(ids[-1]), 0, START)
    partition.add_truth(make.truth(ids[0]), 1, START)
    window = make.partials(partition)[1, 0]
    assert (window.predictions, window.inputs.rows, window.labelled) == (CAPACITY + 11, CAPACITY + 11, 2)
    (blocks,) = partition.take_changes()
    assert [key.rsplit("/", 1)[1] for key, _ in blocks] == ["0", "1"]


def test_predictions_without_truth_expire_after_twice_the_delay(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
    partition.add_truth(make.truth("a"), 0, START)
    partition.add_predictions(make.batch(["c"], [START + 5 * DAY]), 1, NOW)
    assert set(make.partials(partition)) == {(1, 0), (1, 5)}
    assert partition.take_changes()
    partition.expire()
    assert partition.counts["tide", "expired"] == 0
    partition.add_predictions(make.batch(["d"], [START + 5 * DAY + 1]), 2, NOW)
    partition.expire()
    assert partition.counts["tide", "expired"] == 1
    assert (f"block/2/tide/1/{START}/{DAY}/0", None) in partition.take_changes()[-1]
    assert partition.add_truth(make.truth("b"), 1, START) == 0


def test_predictions_do_not_expire_while_their_truths_wait_to_be_read(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_predictions(make.batch(["z"], [START + 30 * DAY]), 1, NOW)
    make.partials(partition)
    partition.expire(truths_read=False)
    assert partition.add_truth(make.truth("a", observed=START + DAY), 0, START + DAY) == 1
    make.partials(partition)
    partition.expire(truths_read=False)
    assert partition.add_truth(make.truth("a", 0.0, START + DAY), 1, START + DAY) == 1
    make.partials(partition)
    partition.add_truth(make.truth("z"), 2, START + 30 * DAY)
    partition.expire(truths_read=False)
    assert partition.add_truth(make.truth("a", 1.0), 3, START + DAY) == 0


def test_a_window_is_kept_until_it_was_told(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "z"], [START, START + 30 * DAY]), 0, NOW)
    partition.expire()
    assert set(make.partials(partition)) == {(1, 0), (1, 30)}
    partition.expire()
    assert partition.counts["tide", "expired"] == 1


def test_the_watermark_waits_for_truths_not_yet_read(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], [START, START + 9 * DAY]), 0, NOW)
    assert max(one.watermark for one in partition.take_partials(truths_read=False)) < START + DAY
    partition.add_truth(make.truth("a"), 0, START + 4 * DAY)
    assert max(one.watermark for one in partition.take_partials(truths_read=False)) == START + 4 * DAY
    told = list(partition.take_partials(truths_read=True))
    assert [(one.start, one.watermark) for one in told] == [(START + 9 * DAY, START + 9 * DAY)]
    assert list(partition.take_partials(truths_read=True)) == []


def test_only_the_last_window_told_moves_the_watermark(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "c"], [START + 2 * DAY, START, START + DAY]), 0, NOW)
    told = list(partition.take_partials())
    assert [one.start for one in told] == [START, START + DAY, START + 2 * DAY]
    assert [one.watermark for one in told] == [START, START, START + 2 * DAY]


def test_rows_of_the_far_future_are_left_out(make: Any, partition: Partition) -> None:
    assert partition.add_predictions(make.batch(["a", "b"], [START, NOW + 2 * DAY]), 0, NOW) == 1
    assert partition.counts["tide", "future"] == 1


def test_rows_of_expired_windows_are_left_out(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"], [START + 30 * DAY]), 0, NOW)
    assert partition.add_predictions(make.batch(["b"], [START]), 1, NOW) == 0
    assert partition.counts["tide", "late"] == 1


def test_truths_without_prediction_are_given_up_when_it_can_no_longer_come(make: Any, partition: Partition) -> None:
    partition.add_truth(make.truth("nobody"), 0, START)
    partition.add_predictions(make.batch(["a"], [START + HOUR]), 0, NOW)
    partition.expire()
    assert partition.counts["tide", "orphaned"] == 0
    partition.add_predictions(make.batch(["b"], [START + HOUR + 1]), 1, NOW)
    partition.expire()
    assert partition.counts["tide", "orphaned"] == 1


def test_early_truths_are_bounded(make: Any) -> None:
    partition = Partition(0, make.catalogue(), early_limit=3)
    for offset in range(10):
        partition.add_truth(make.truth(str(offset)), offset, START)
    partition.add_predictions(make.batch([str(row) for row in range(10)]), 0, NOW)
    assert partition.counts["tide", "orphaned"] == 7
    assert make.partials(partition)[1, 0].labelled == 3


@pytest.mark.parametrize("label", [2.0, 0.5, -1.0, float("nan")])
def test_an_impossible_label_is_refused(make: Any, partition: Partition, label: float) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    with pytest.raises(InvalidInput, match="label"):
        partition.add_truth(make.truth("a", label), 0, START)


def test_an_impossible_early_label_is_counted(make: Any, partition: Partition) -> None:
    partition.add_truth(make.truth("a", 7.0), 0, START)
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    assert partition.counts["tide", "invalid"] == 1
    assert make.partials(partition)[1, 0].labelled == 0


def broken(make: Any, what: str) -> Any:
    batch = make.batch(["a", "b"])
    match what:
        case "times":
            batch.event_times.pop()
        case "input size":
            batch.inputs[0].numbers.values.pop()
        case "input missing":
            del batch.inputs[0]
        case "text for a number":
            batch.inputs[0].texts.values.extend(["north", "south"])
        case "outputs":
            del batch.outputs[:]
        case "classes":
            batch.outputs[1].numbers.values.extend([0.0, 0.0])
        case "version":
            batch.version = 9
        case "model":
            batch.model = "other"
    return batch


@pytest.mark.parametrize(
    "what",
    ["times", "input size", "input missing", "text for a number", "outputs", "classes", "version", "model"],
)
def test_a_batch_that_contradicts_itself_is_refused_whole(make: Any, partition: Partition, what: str) -> None:
    with pytest.raises(InvalidInput):
        partition.add_predictions(broken(make, what), 0, NOW)
    assert make.partials(partition) == {}
    assert partition.take_changes() == []
    assert partition.add_predictions(make.batch(["a", "b"]), 1, NOW) == 2


def test_state_of_another_partition_is_ignored(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    (blocks,) = partition.take_changes()
    other = Partition(3, make.catalogue())
    other.restore([(key, value) for key, value in blocks if value])
    assert make.partials(other) == {}


def test_every_restored_window_is_told_again(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], [START, START + DAY]), 0, NOW)
    partition.add_truth(make.truth("a"), 0, START)
    told = make.partials(partition)
    changes = [change for part in partition.take_changes() for change in part]
    again = Partition(2, make.catalogue())
    again.restore([(key, value) for key, value in changes if value])
    assert make.partials(again) == told
