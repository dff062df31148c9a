"""Messages of `ground-truth` as columns."""

from dataclasses import dataclass, field

import numpy as np
from tidemill.v1.prediction_pb2 import GroundTruth, GroundTruthBatch
from tidemill_stats.arrays import BoolArray, FloatArray
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.keys import prediction_keys
from tidemill_monitor.domain.scoring import are_labels, is_label
from tidemill_monitor.domain.truths import Truths
from tidemill_monitor.domain.watched import Watch

TruthMessage = GroundTruth | GroundTruthBatch


@dataclass
class TruthBulk:
    """Truths of one model, appended; those of no prediction (they are for training alone) are left out."""

    watch: Watch | None = None
    invalid: int = 0
    _ids: list[str] = field(default_factory=list)
    _labels: list[float] = field(default_factory=list)
    _observed: list[int] = field(default_factory=list)
    _counts: dict[int, int] = field(default_factory=dict)

    def add(self, message: TruthMessage, offset: int, now: int, watch: Watch | None) -> None:
        """Append the truths of a message, unless it is there: after a rebalance Kafka may give it twice.

        Where it does not say, a truth became known when Kafka got it (`now`). Raises InvalidInput as `Partition` says.
        """
        if offset in self._counts:
            return
        if isinstance(message, GroundTruth):
            self._add_one(message, offset, now, watch)
            return
        self.watch = watch
        count = len(message.prediction_ids)
        observed = [one or now for one in message.observed_at]
        if len(message.labels) != count or len(observed) not in (0, count):
            raise InvalidInput(f"{count} predictions with {len(message.labels)} labels at {len(observed)} times")
        self._ids.extend(message.prediction_ids)
        self._labels.extend(message.labels)
        self._observed.extend(observed or [now] * count)
        self._counts[offset] = count

    def _add_one(self, truth: GroundTruth, offset: int, now: int, watch: Watch | None) -> None:
        if not np.isfinite(truth.label) or (watch is not None and not is_label(watch, truth.label)):
            raise InvalidInput(f"label {truth.label} is no truth of {truth.pipeline!r}")
        self.watch = watch
        observed = truth.observed_at.ToMicroseconds() if truth.HasField("observed_at") else now
        self._ids.append(truth.prediction_id)
        self._labels.append(truth.label)
        self._observed.append(observed)
        self._counts[offset] = 1

    def truths(self) -> Truths:
        """The truths that can be; `invalid` counts the others."""
        offsets, counts = (np.array(list(some), dtype=np.int64) for some in (self._counts, self._counts.values()))
        labels = np.array(self._labels, dtype=np.float64)
        named = np.array([bool(one) for one in self._ids], dtype=np.bool_)
        possible = named & self._possible(labels)
        self.invalid = int(np.count_nonzero(named & ~possible))
        truths = Truths(
            keys=prediction_keys(self._ids),
            labels=labels,
            offsets=np.repeat(offsets, counts),
            observed=np.array(self._observed, dtype=np.int64),
            changes=np.zeros(labels.size, dtype=np.int64),
        )
        return truths if possible.all() else truths.take(possible)

    def _possible(self, labels: FloatArray) -> BoolArray:
        return np.isfinite(labels) if self.watch is None else are_labels(self.watch, labels)
