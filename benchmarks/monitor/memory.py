"""Memory while predictions come, half of which never get a label: the domain alone, in this process."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
from tidemill.v1.prediction_pb2 import GroundTruthBatch, PredictionBatch
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.watched import Catalogue

from benchmarks.monitor import data

ROWS = 1000
PER_SECOND = 20.0
EVERY = 10
NOW = data.START + 10_000 * 24 * data.HOUR


@dataclass(frozen=True)
class Step:
    """After so many predictions: resident memory in MB, rows kept, predictions a second of processor time so far."""

    predictions: int
    megabytes: float
    kept: int
    rate: float


def grow(predictions: int, steps: int) -> Iterator[Step]:
    """Feed predictions at 20 a second of event time, labels an hour late at most, waited for during six hours."""
    catalogue = Catalogue([data.pipeline(window="1h", lateness="10m", label_expiry="6h")])
    catalogue.approve(data.approval())
    partition = Partition(0, catalogue)
    traffic = data.Traffic(ROWS, per_second=PER_SECOND)
    process, spent = psutil.Process(), 0.0
    messages = predictions // ROWS
    for offset in range(messages):
        sent = traffic.batch()
        batch, truths = PredictionBatch.FromString(sent.predictions), GroundTruthBatch.FromString(sent.truths)
        began = time.process_time()
        partition.add_predictions(batch, offset, NOW)
        partition.add_truths(truths, offset, NOW)
        if offset % EVERY == EVERY - 1:
            _flush(partition)
        spent += time.process_time() - began
        if (offset + 1) % max(1, messages // steps) == 0:
            done = (offset + 1) * ROWS
            yield Step(done, process.memory_info().rss / 1e6, partition.rows, done / spent)


def _flush(partition: Partition) -> None:
    partition.process()
    partition.expire()
    for _ in partition.take_partials():
        pass
    partition.take_changes()
