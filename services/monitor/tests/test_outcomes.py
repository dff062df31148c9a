"""Sums of the labels themselves, which tell how a candidate's decisions turn out."""

from typing import Any

import numpy as np
import pytest
from tidemill.v1.prediction_pb2 import GroundTruthBatch
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.scoring import typical_outcome
from tidemill_monitor.domain.watched import Watch
from tidemill_stats.profiling import profile_columns
from tidemill_stats.reference import Reference

DAY = 24 * 3600 * 1_000_000
START = 15_000 * DAY
NOW = START + 1000 * DAY


def prices(*values: float) -> Reference:
    """A reference whose answers on the test rows were these."""
    return Reference(outputs=profile_columns({"prediction": np.array(values)}))


def outcome(make: Any, partition: Partition, labels: list[float], **options: Any) -> tuple[int, float, float]:
    """Count, sum and sum of squares of the labels of as many predictions."""
    ids = [f"p{row}" for row in range(len(labels))]
    partition.add_predictions(make.batch(ids, [START] * len(ids), **options), 0, NOW)
    truths: GroundTruthBatch = make.truths(*((one, label, START) for one, label in zip(ids, labels, strict=True)))
    partition.add_truths(truths, 0, NOW)
    pane = make.partials(partition)[1, 0]
    sums = pane.total.metrics["outcome"]
    assert pane.labels[0].metrics["outcome"] == sums
    return sums.count, sums.sum, sums.sum_of_squares


def test_outcomes_of_classes_are_the_classes(make: Any) -> None:
    assert outcome(make, Partition(0, make.catalogue()), [1.0, 0.0, 1.0, 1.0]) == (4, 3, 3)


def test_outcomes_of_quantities_are_the_quantities(make: Any) -> None:
    found = outcome(make, Partition(0, make.quantities()), [1.5, -2.25, 0.0], quantity=1.0)
    assert found == (3, -0.75, 7.3125)


@pytest.mark.parametrize("size", [1e-4, 1e6])
def test_outcomes_are_summed_as_exactly_as_the_answers_are_large(make: Any, size: float) -> None:
    labels = [size * one for one in (1.0, -0.5, 1.25, 30.0)]
    partition = Partition(0, make.quantities(prices(size, 1.5 * size, 0.5 * size)))
    count, total, squares = outcome(make, partition, labels, quantity=size)
    assert count == 4
    assert (total, squares) == pytest.approx((sum(labels), sum(one**2 for one in labels)), rel=1e-5)


def test_a_corrected_label_takes_the_place_of_the_first(make: Any) -> None:
    partition = Partition(0, make.catalogue())
    outcome(make, partition, [1.0, 1.0])
    partition.add_truths(make.truth("p0", 0.0), 1, NOW)
    assert make.partials(partition)[1, 0].total.metrics["outcome"].sum == 1


def test_labels_of_what_was_not_answered_are_no_outcomes(make: Any) -> None:
    partition = Partition(0, make.catalogue())
    partition.add_predictions(make.batch(["failed"], error="failed"), 9, NOW)
    partition.add_truths(make.truth("failed"), 9, NOW)
    assert outcome(make, partition, [1.0]) == (1, 1, 1)


def test_an_outcome_is_as_large_as_the_answers_on_the_test_rows(make: Any) -> None:
    watch = Watch(**{**make.watch().__dict__, "task": "regression", "classes": None})
    assert typical_outcome(watch, prices(-4.0, -4.0)) == 4.0
    assert typical_outcome(watch, prices(-1.0, 1.0)) == pytest.approx(np.sqrt(2.0))
    assert typical_outcome(watch, None) == typical_outcome(watch, Reference()) == 1.0
    assert typical_outcome(make.watch(), prices(-4.0, -4.0)) == 1.0
