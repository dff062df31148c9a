from itertools import permutations
from typing import Any

import numpy as np
import pytest
from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, GroundTruthBatch
from tidemill_monitor.domain.block import CAPACITY
from tidemill_monitor.domain.partition import Partition
from tidemill_stats.errors import InvalidInput
from tidemill_stats.multivariate import KernelSums
from tidemill_stats.profile_proto import from_proto
from tidemill_stats.profiling import profile_columns

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY


@pytest.fixture
def partition(make: Any) -> Partition:
    return Partition(2, make.catalogue())


def counted(partition: Partition, outcome: str) -> int:
    partition.process()
    return partition.counts["tide", outcome]


def arrays(batch: Any) -> dict[str, Any]:
    return {
        "x": np.array(batch.inputs[0].numbers.values),
        "c": np.array(list(batch.inputs[1].texts.values), dtype=object),
    }


def test_a_truth_joins_its_prediction(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
    partition.add_truths(make.truth("b", 0.0), 0, NOW)
    pane = make.partials(partition)[1, 0]
    assert (pane.total.predictions, pane.total.labelled, pane.partition) == (2, 1, 2)
    assert pane.total.metrics["error_rate"].sum == 1
    assert pane.total.metrics["log_loss"].sum == pytest.approx(-np.log(0.25), abs=1e-6)
    assert partition.counts["tide", "matched"] == 1


def test_a_hashed_input_is_not_watched_and_breaks_no_schema(make: Any, partition: Partition) -> None:
    batch = make.batch(["a", "b"])
    batch.inputs.add(name="passenger", hashed=True).texts.values.extend(["5f", "a0"])
    partition.add_predictions(batch, 0, NOW)
    pane = make.partials(partition)[1, 0]
    assert pane.total.predictions == 2
    assert not any("passenger" in name for name in pane.schema_violations)


def test_truths_of_a_batch_join_their_predictions(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "c"]), 0, NOW)
    partition.add_truths(make.truths(("b", 0.0, START), ("", 1.0, START), ("c", 1.0, START), ("z", 1.0, START)), 0, NOW)
    assert make.partials(partition)[1, 0].total.labelled == 2


def test_a_batch_of_truths_that_contradicts_itself_is_refused(make: Any, partition: Partition) -> None:
    with pytest.raises(InvalidInput, match="labels"):
        partition.add_truths(GroundTruthBatch(pipeline="tides", prediction_ids=["a", "b"], labels=[1.0]), 0, NOW)


def test_impossible_labels_of_a_batch_are_counted_and_the_others_taken(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
    partition.add_truths(make.truths(("a", 7.0, START), ("b", 1.0, START)), 0, NOW)
    assert make.partials(partition)[1, 0].total.labelled == 1
    assert partition.counts["tide", "invalid"] == 1


def test_predictions_and_truths_may_come_in_any_order_and_in_bulks_of_any_size(make: Any) -> None:
    seen = set()
    for order in permutations(range(5)):
        for together in (True, False):
            partition = Partition(0, make.catalogue())
            for step in order:
                if step == 0:
                    partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
                elif step == 4:
                    partition.add_predictions(make.batch(["a", "b"], version=2, role=ARM_ROLE_MIRROR), 1, NOW)
                else:
                    name, label = [("a", 1.0), ("b", 1.0), ("b", 0.0)][step - 1]
                    partition.add_truths(make.truth(name, label), step, NOW)
                if not together:
                    partition.process()
            told = sorted((key, one.total.labelled) for key, one in make.partials(partition).items())
            assert told == [((1, 0), 2), ((2, 0), 2)]
            partials = partition._intake.states
            seen.add(str(sorted((pane, state.labels[0].counts.tobytes()) for pane, state in partials.items())))
    assert len(seen) == 1


def test_a_later_truth_corrects_an_earlier_one(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_truths(make.truth("a", 1.0), 0, NOW)
    partition.process()
    partition.add_truths(make.truth("a", 0.0, START + 2 * DAY), 1, NOW)
    pane = make.partials(partition)[1, 0]
    assert (pane.total.labelled, pane.total.metrics["error_rate"].sum, pane.corrected) == (1, 1, 1)
    assert [(one.start, one.labelled) for one in pane.labels] == [(START, 1)]
    assert partition.counts["tide", "corrected"] == 1


def test_corrections_are_counted_whether_or_not_they_come_together(make: Any) -> None:
    corrected = []
    for together in (True, False):
        partition = Partition(0, make.catalogue())
        for offset, label in enumerate([1.0, 0.0, 0.0, 1.0]):
            partition.add_truths(make.truth("a", label), offset, NOW)
            if not together:
                partition.process()
            if offset == 1:
                partition.add_predictions(make.batch(["a"]), 0, NOW)
        corrected.append(make.partials(partition)[1, 0].corrected)
    assert corrected == [2, 2]


def test_what_comes_twice_counts_once(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "b"]), 0, NOW)
    partition.add_truths(make.truth("a"), 0, NOW)
    first = make.partials(partition)
    partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
    partition.add_truths(make.truth("a"), 0, NOW)
    assert make.partials(partition) == {}
    assert first[1, 0].total.predictions == 2


def test_rows_go_to_the_pane_of_their_event_time(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "c"], [START, START + DAY - 1, START + DAY]), 0, NOW)
    assert {day: one.total.predictions for (_, day), one in make.partials(partition).items()} == {0: 2, 1: 1}


def test_labels_are_counted_in_the_pane_in_which_they_became_known(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "c"], [START] * 3), 0, NOW)
    rows = [("a", 1.0, START - DAY), ("b", 0.0, START + 2 * DAY), ("c", 1.0, START + 2 * DAY + 1)]
    partition.add_truths(make.truths(*rows), 0, NOW)
    pane = make.partials(partition)[1, 0]
    assert [(one.start, one.labelled) for one in pane.labels] == [(START, 1), (START + 2 * DAY, 2)]
    assert pane.labels[1].metrics["error_rate"].sum == 1


def test_inputs_are_profiled_as_the_training_data(make: Any, partition: Partition) -> None:
    batch = make.batch([str(row) for row in range(200)], [START] * 200, shift=1.0)
    partition.add_predictions(batch, 0, NOW)
    profile = from_proto(make.partials(partition)[1, 0].total.inputs)
    expected = profile_columns(arrays(batch), reference=make.reference().inputs)
    assert profile.rows == 200
    for name in ("x", "c"):
        assert profile.columns[name].counts.tolist() == expected.columns[name].counts.tolist()
        assert profile.columns[name].missing == expected.columns[name].missing
    got, wanted = profile.columns["x"].moments, expected.columns["x"].moments
    assert (got.mean, got.variance) == pytest.approx((wanted.mean, wanted.variance), rel=1e-4)
    assert (got.minimum, got.maximum) == (wanted.minimum, wanted.maximum)


def test_slices_add_up_to_the_whole(make: Any, partition: Partition) -> None:
    ids = [str(row) for row in range(200)]
    batch = make.batch(ids, [START] * 200)
    partition.add_predictions(batch, 0, NOW)
    partition.add_truths(make.truths(*((one, 1.0, START) for one in ids[:50])), 0, NOW)
    pane = make.partials(partition)[1, 0]
    assert sorted(pane.slices) == ["c=a", "c=b", "c=c"]
    values = list(batch.inputs[1].texts.values)
    assert {name: one.predictions for name, one in pane.slices.items()} == {f"c={v}": values.count(v) for v in "abc"}
    assert sum(one.labelled for one in pane.slices.values()) == 50
    for metric in ("log_loss", "error_rate"):
        assert sum(one.metrics[metric].sum for one in pane.slices.values()) == pane.total.metrics[metric].sum
    counts = sum(np.array(one.inputs.columns[1].numeric.counts) for one in pane.slices.values())
    assert counts.tolist() == list(pane.total.inputs.columns[1].numeric.counts)


def test_rows_are_seen_together_as_the_references_see_them(make: Any, partition: Partition) -> None:
    batch = make.batch([str(row) for row in range(60)], [START + row * DAY // 30 for row in range(60)])
    partition.add_predictions(batch, 0, NOW)
    panes = list(make.partials(partition).values())
    reference = make.reference()
    matrix = reference.kernel.encoding.encode(arrays(batch))
    sums = KernelSums(60, sum(np.array(pane.embedding) for pane in panes))
    assert sums == reference.kernel.sums(matrix)
    assert sum(pane.outliers for pane in panes) == reference.outliers.count(matrix)
    assert sum(pane.reconstruction.sum for pane in panes) == reference.pca.errors(matrix).sum()


def test_expectations_are_those_of_the_answers(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], probability=0.75), 0, NOW)
    total = make.partials(partition)[1, 0].total
    assert total.expected["error_rate"].sum == pytest.approx(0.5, abs=1e-5)
    assert total.expected["log_loss"].sum / 2 == pytest.approx(-0.75 * np.log(0.75) - 0.25 * np.log(0.25), abs=1e-5)
    assert (total.scores[150], sum(total.scores)) == (2, 2)
    assert total.score_log_odds[150] / 2**20 == pytest.approx(2 * np.log(3), abs=1e-5)


def test_latencies_are_summed_and_bucketed(make: Any, partition: Partition) -> None:
    batch = make.batch(["a", "b", "c"])
    batch.latencies[:] = [0.0001, 0.00015, 10_000.0]
    partition.add_predictions(batch, 0, NOW)
    pane = make.partials(partition)[1, 0]
    assert (pane.latency.count, pane.latency_buckets[0], pane.latency_buckets[2], pane.latency_buckets[-1]) == (
        3,
        1,
        1,
        1,
    )


def test_mirrored_answers_are_scored_and_their_inputs_left_out(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_predictions(make.batch(["a"], version=2, role=ARM_ROLE_MIRROR), 1, NOW)
    partition.add_truths(make.truth("a"), 0, NOW)
    panes = make.partials(partition)
    assert (panes[1, 0].total.labelled, panes[2, 0].total.labelled) == (1, 1)
    assert (panes[1, 0].mirror, panes[2, 0].mirror) == (False, True)
    assert panes[1, 0].total.HasField("inputs")
    assert not panes[2, 0].total.HasField("inputs")
    assert list(panes[2, 0].slices)


def test_a_version_that_watched_and_then_answers_has_two_panes(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"], role=ARM_ROLE_MIRROR), 0, NOW)
    partition.add_predictions(make.batch(["b"]), 1, NOW)
    partition.process()
    told = list(partition.take_partials())
    assert [(one.mirror, one.total.predictions) for one in told] == [(False, 1), (True, 1)]


def test_failed_predictions_count_as_errors_and_their_labels_do_not(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], error="no answer in time"), 0, NOW)
    partition.add_truths(make.truth("a"), 0, NOW)
    total = make.partials(partition)[1, 0].total
    assert (total.predictions, total.errors, total.labelled) == (2, 2, 0)
    assert not total.metrics
    assert not total.HasField("inputs")


def test_answers_that_are_no_numbers_are_counted_and_not_scored(make: Any, partition: Partition) -> None:
    batch = make.batch(["a", "b"])
    batch.outputs[1].numbers.values[1] = float("nan")
    partition.add_predictions(batch, 0, NOW)
    partition.add_truths(make.truths(("a", 1.0, START), ("b", 1.0, START)), 0, NOW)
    pane = make.partials(partition)[1, 0]
    assert (pane.invalid_outputs, pane.total.labelled, pane.total.metrics["log_loss"].count) == (1, 2, 1)
    assert pane.total.outputs.rows == 1


def test_a_pane_of_many_rows_spans_blocks(make: Any, partition: Partition) -> None:
    ids = [str(row) for row in range(CAPACITY + 10)]
    partition.add_predictions(make.batch(ids, [START] * len(ids)), 0, NOW)
    partition.process()
    partition.add_predictions(make.batch(["x"], [START]), 1, NOW)
    partition.add_truths(make.truths((ids[-1], 1.0, START), (ids[0], 1.0, START)), 0, NOW)
    total = make.partials(partition)[1, 0].total
    assert (total.predictions, total.inputs.rows, total.labelled) == (CAPACITY + 11, CAPACITY + 11, 2)
    rows, *_ = partition.take_changes()
    assert [key.rsplit("/", 1)[1] for key, _ in rows] == ["0", "1"]


def test_predictions_without_truth_expire_when_it_was_declared(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
    partition.add_truths(make.truth("a"), 0, NOW)
    partition.add_predictions(make.batch(["c"], [START + 5 * DAY]), 1, NOW)
    assert make.partials(partition)[1, 0].censored == 0
    partition.expire()
    assert make.partials(partition) == {}
    partition.add_predictions(make.batch(["d"], [START + 5 * DAY + 1]), 2, NOW)
    partition.process()
    partition.expire()
    assert make.partials(partition)[1, 0].censored == 1
    assert partition.counts["tide", "expired"] == 1


def test_an_expired_pane_is_forgotten_after_the_lateness(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"]), 0, NOW)
    partition.process()
    partition.add_predictions(make.batch(["c"], [START + 5 * DAY + HOUR]), 1, NOW)
    make.partials(partition)
    partition.take_changes()
    partition.expire()
    make.partials(partition)
    partition.add_truths(make.truth("a", observed=START + DAY), 0, NOW)
    pane = make.partials(partition)[1, 0]
    assert (pane.total.labelled, pane.censored) == (1, 1)
    partition.add_predictions(make.batch(["d"], [START + 5 * DAY + HOUR + 1]), 2, NOW)
    partition.process()
    partition.expire()
    assert partition.rows == 2
    assert (f"block/2/tide/1/0/{START}/{DAY}/0", None) in partition.take_changes()[-1]


def test_a_message_read_twice_counts_its_corrections_once(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    for _ in range(2):
        partition.add_truths(make.truths(("a", 0.0, START), ("a", 1.0, START)), 0, NOW)
    assert make.partials(partition)[1, 0].corrected == 1


def test_a_truth_that_became_known_after_the_expiry_does_not_count(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_truths(make.truth("a", observed=START + 5 * DAY + 1), 0, NOW)
    assert make.partials(partition)[1, 0].total.labelled == 0
    assert partition.counts["tide", "overdue"] == 1


def test_predictions_do_not_expire_while_their_truths_wait_to_be_read(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_predictions(make.batch(["z"], [START + 30 * DAY]), 1, NOW)
    make.partials(partition)
    partition.expire({"tide": START})
    partition.add_truths(make.truth("a", observed=START + DAY), 0, NOW)
    assert counted(partition, "matched") == 1


def test_a_pane_is_kept_until_it_was_told(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "z"], [START, START + 30 * DAY]), 0, NOW)
    partition.process()
    partition.expire()
    partition.expire()
    assert set(make.partials(partition)) == {(1, 0), (1, 30)}
    partition.expire()
    assert partition.rows == 1


def test_the_watermark_waits_for_truths_not_yet_read(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], [START, START + 9 * DAY]), 0, NOW)
    partition.process()
    assert max(one.watermark for one in partition.take_partials({})) < START + DAY
    for until in (START + 4 * DAY, START + 9 * DAY):
        told = list(partition.take_partials({"tide": until}))
        assert [(one.start, one.watermark) for one in told] == [(START + 9 * DAY, until)]
    assert list(partition.take_partials({"tide": START + 9 * DAY})) == []


def test_only_the_last_pane_told_moves_the_watermark(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b", "c"], [START + 2 * DAY, START, START + DAY]), 0, NOW)
    partition.process()
    told = list(partition.take_partials())
    assert [one.start for one in told] == [START, START + DAY, START + 2 * DAY]
    assert [one.watermark for one in told] == [START, START, START + 2 * DAY]


def test_rows_of_the_far_future_are_left_out(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], [START, NOW + 2 * DAY]), 0, NOW)
    assert counted(partition, "future") == 1
    assert partition.watermarks == {"tide": START}


def test_a_clock_that_is_ahead_moves_the_watermark_no_further_than_now(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a", "b"], [START, NOW + DAY // 2]), 0, NOW)
    assert (counted(partition, "future"), partition.watermarks) == (0, {"tide": NOW})


@pytest.mark.parametrize("together", [True, False])
def test_rows_later_than_allowed_are_left_out(make: Any, partition: Partition, together: bool) -> None:
    partition.add_predictions(make.batch(["a"], [START + DAY + HOUR + 1]), 0, NOW)
    if not together:
        partition.process()
    partition.add_predictions(make.batch(["b", "c"], [START, START + DAY]), 1, NOW)
    assert (counted(partition, "late"), counted(partition, "taken")) == (1, 2)


def test_truths_without_prediction_are_given_up_when_it_can_no_longer_come(make: Any, partition: Partition) -> None:
    partition.add_truths(make.truth("nobody"), 0, NOW)
    partition.add_predictions(make.batch(["a"], [START + HOUR]), 0, NOW)
    partition.process()
    partition.expire()
    assert partition.counts["tide", "orphaned"] == 0
    partition.add_predictions(make.batch(["b"], [START + HOUR + 1]), 1, NOW)
    partition.process()
    partition.expire()
    assert partition.counts["tide", "orphaned"] == 1


def test_early_truths_are_bounded(make: Any) -> None:
    partition = Partition(0, make.catalogue(), early_limit=3)
    for offset in range(10):
        partition.add_truths(make.truth(str(offset)), offset, NOW)
    partition.process()
    partition.add_predictions(make.batch([str(row) for row in range(10)]), 0, NOW)
    assert make.partials(partition)[1, 0].total.labelled == 3
    assert partition.counts["tide", "orphaned"] == 7


@pytest.mark.parametrize("label", [2.0, 0.5, -1.0, float("nan")])
def test_an_impossible_label_is_refused(make: Any, partition: Partition, label: float) -> None:
    with pytest.raises(InvalidInput, match="label"):
        partition.add_truths(make.truth("a", label), 0, NOW)


def test_an_impossible_label_of_an_unnamed_model_is_counted(make: Any, partition: Partition) -> None:
    truth = make.truth("a", 7.0)
    truth.pipeline = ""
    partition.add_truths(truth, 0, NOW)
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    assert make.partials(partition)[1, 0].total.labelled == 0
    assert partition.counts["tide", "invalid"] == 1


def broken(make: Any, what: str) -> Any:
    batch = make.batch(["a", "b"])
    match what:
        case "times":
            batch.event_times.pop()
        case "latencies":
            batch.latencies.pop()
        case "units":
            batch.units.append(7)
        case "input size":
            batch.inputs[0].numbers.values.pop()
        case "input twice":
            batch.inputs.add().CopyFrom(batch.inputs[0])
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
    "what", ["times", "latencies", "units", "input size", "input twice", "outputs", "classes", "version", "model"]
)
def test_a_batch_that_contradicts_itself_is_refused_whole(make: Any, partition: Partition, what: str) -> None:
    with pytest.raises(InvalidInput):
        partition.add_predictions(broken(make, what), 0, NOW)
    assert make.partials(partition) == {}
    assert partition.take_changes() == []
    partition.add_predictions(make.batch(["a", "b"]), 1, NOW)
    assert counted(partition, "taken") == 2


def skewed(make: Any, how: str) -> Any:
    batch = make.batch(["a", "b"])
    match how:
        case "x: absent" | "c: absent":
            del batch.inputs[how.startswith("c")]
        case "x: text":
            batch.inputs[0].texts.values.extend(["north", "south"])
        case "c: number":
            batch.inputs[1].numbers.values.extend([1.0, 2.0])
        case "y: unknown":
            batch.inputs.add(name="y").numbers.values.extend([1.0, 2.0])
        case "x: missing":
            batch.inputs[0].numbers.values[:] = [float("nan")] * 2
        case "x: infinite":
            batch.inputs[0].numbers.values[:] = [float("inf")] * 2
        case "c: missing":
            batch.inputs[1].texts.values[:] = ["", ""]
    return batch


@pytest.mark.parametrize(
    "how",
    ["x: absent", "c: absent", "x: text", "c: number", "y: unknown", "x: missing", "x: infinite", "c: missing"],
)
def test_inputs_that_break_the_schema_are_counted_and_the_rows_taken(make: Any, partition: Partition, how: str) -> None:
    partition.add_predictions(skewed(make, how), 0, NOW)
    partition.add_predictions(make.batch(["c"]), 1, NOW)
    pane = make.partials(partition)[1, 0]
    assert dict(pane.schema_violations) == {how: 2}
    assert (pane.total.predictions, pane.total.inputs.rows) == (3, 3)
    from_proto(pane.total.inputs)


def test_unknown_columns_are_bounded(make: Any, partition: Partition) -> None:
    for number in range(200):
        batch = make.batch([str(number)], [START])
        batch.inputs.add(name=f"y{number:03}").numbers.values.append(1.0)
        partition.add_predictions(batch, number, NOW)
    assert len(make.partials(partition)[1, 0].schema_violations) == 64


def test_state_of_another_partition_is_ignored(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.process()
    other = Partition(3, make.catalogue())
    other.restore([(key, value) for wave in partition.take_changes() for key, value in wave if value])
    assert make.partials(other) == {}


def test_state_in_another_layout_is_not_used(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"]), 0, NOW)
    partition.add_truths(make.truth("a"), 0, NOW)
    partition.process()
    stored = [(key, value) for wave in partition.take_changes() for key, value in wave if value]
    other = Partition(2, make.catalogue(slices=[]))
    assert [key.split("/")[0] for key in other.restore(stored)] == ["block", "labels"]
    assert make.partials(other) == {}


def same(told: dict[Any, PanePartial]) -> dict[Any, bytes]:
    for one in told.values():
        one.watermark = 0
    return {key: one.SerializeToString(deterministic=True) for key, one in told.items()}


def test_every_restored_pane_is_told_again_as_it_was(make: Any, partition: Partition) -> None:
    ids = [str(row) for row in range(CAPACITY + 10)]
    partition.add_predictions(make.batch(ids, [START] * len(ids)), 0, NOW)
    partition.add_predictions(make.batch(["a"], [START + DAY], role=ARM_ROLE_MIRROR), 1, NOW)
    partition.add_truths(make.truths(*((one, 1.0, START + DAY) for one in ids[::3])), 0, NOW)
    told = make.partials(partition)
    changes = [change for wave in partition.take_changes() for change in wave]
    again = Partition(2, make.catalogue())
    assert again.restore([(key, value) for key, value in changes if value]) == []
    assert same(make.partials(again)) == same(told)
