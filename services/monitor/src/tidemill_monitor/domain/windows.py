"""What all partitions together know of a model's windows, and which of them are complete."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from tidemill.v1.monitoring_pb2 import WindowPartial
from tidemill_stats import DataProfile, MeanEstimate, from_proto, merge

from tidemill_monitor.domain.block import WindowKey
from tidemill_monitor.domain.scoring import Score, no_scores, total
from tidemill_monitor.domain.watched import Watch

SILENCE_WINDOWS = 3
KEPT_WINDOWS = 40


@dataclass(frozen=True)
class Merged:
    """Windows of one version over all partitions; `inputs`: only of answers that were returned, None if unknown."""

    inputs: DataProfile | None
    predictions: int
    errors: int
    labelled: int
    score: Score

    @property
    def answered(self) -> int:
        """Rows whose answer was returned, as far as their inputs were profiled; else all."""
        return self.predictions if self.inputs is None else self.inputs.rows


def merged(partials: Iterable[WindowPartial]) -> Merged:
    """All rows of some partials of one version together."""
    inputs: DataProfile | None = None
    scores = []
    predictions = errors = labelled = 0
    for partial in partials:
        if partial.HasField("inputs"):
            profile = from_proto(partial.inputs)
            inputs = profile if inputs is None else merge(inputs, profile)
        predictions += partial.predictions
        errors += partial.errors
        labelled += partial.labelled
        scores.append(_score(partial))
    return Merged(inputs, predictions, errors, labelled, total(scores))


class ModelWindows:
    """The newest partial of each (version, window, partition) of one model, of `partitions` partitions."""

    def __init__(self, watch: Watch, partitions: int) -> None:
        self.watch = watch
        self._partitions = partitions
        self._partials: dict[WindowKey, dict[int, WindowPartial]] = {}
        self._watermarks: dict[int, int] = {}

    def put(self, partial: WindowPartial) -> bool:
        """Take a partial unless a newer one is there; whether anything changed."""
        window = WindowKey(partial.model, partial.version, partial.start, partial.length)
        known = self._partials.setdefault(window, {})
        if partial.partition in known and known[partial.partition].offset > partial.offset:
            return False
        known[partial.partition] = partial
        watermark = self._watermarks.get(partial.partition, partial.watermark)
        self._watermarks[partial.partition] = max(watermark, partial.watermark)
        return True

    @property
    def watermark(self) -> int | None:
        """Latest event time of any partition, None before the first partial."""
        return max(self._watermarks.values(), default=None)

    @property
    def complete_until(self) -> int | None:
        """Event time up to which every partition has been read.

        A partition that lags `SILENCE_WINDOWS` windows behind the furthest is taken to be silent and not waited for.
        """
        if self.watermark is None:
            return None
        silence = self.watermark - SILENCE_WINDOWS * self.watch.window
        if len(self._watermarks) < self._partitions:
            return silence
        return max(silence, min(self._watermarks.values()))

    @property
    def windows(self) -> list[WindowKey]:
        """Known windows of the length now in force, the oldest first."""
        return sorted(
            (window for window in self._partials if window.length == self.watch.window),
            key=lambda window: (window.start, window.version),
        )

    def one(self, window: WindowKey) -> Merged:
        """One window over all partitions."""
        return merged(self._partials[window].values())

    def horizon(self, version: int, end: int) -> Merged:
        """The version's windows of the horizon that ends at `end`."""
        start = end - self.watch.horizon * self.watch.window
        inside = [one for one in self.windows if one.version == version and start < one.end <= end]
        return merged(partial for window in inside for partial in self._partials[window].values())

    def forget(self) -> list[tuple[WindowKey, int]]:
        """Drop windows that nothing will ask for; each with its partition."""
        if self.complete_until is None:
            return []
        kept = max(self.watch.horizon, KEPT_WINDOWS) * self.watch.window + self.watch.label_patience
        old = [window for window in self._partials if window.end < self.complete_until - kept]
        return [(window, partition) for window in old for partition in self._partials.pop(window)]


def _score(partial: WindowPartial) -> Score:
    metrics = {name: MeanEstimate(sums.count, sums.sum, sums.sum_of_squares) for name, sums in partial.metrics.items()}
    if not partial.score_positives:
        return Score(metrics)
    positives = np.array(partial.score_positives, dtype=np.int64)
    negatives = np.array(partial.score_negatives, dtype=np.int64)
    if positives.shape != no_scores().shape:
        return Score(metrics)
    return Score(metrics, positives, negatives)
