"""What is looked at in the rows of one version: the layout of its tallies."""

import hashlib
import math
from collections.abc import Mapping

import numpy as np
from tidemill_stats.arrays import BoolArray, FloatArray, IntArray, SingleArray
from tidemill_stats.reference import Reference

from tidemill_monitor.domain.cells import ProfileCells, Values
from tidemill_monitor.domain.fixed import fixed_point, unit
from tidemill_monitor.domain.multivariate import Matrices, Multivariate
from tidemill_monitor.domain.outputs import watched_outputs
from tidemill_monitor.domain.rows import Predictions
from tidemill_monitor.domain.schema import Inputs
from tidemill_monitor.domain.scoring import (
    SCORE_BINS,
    expected_losses,
    log_odds,
    losses,
    metric_names,
    score_bases,
    score_bins,
    typical_loss,
    typical_outcome,
)
from tidemill_monitor.domain.slices import Slices
from tidemill_monitor.domain.tally import Binned, Facts
from tidemill_monitor.domain.watched import Version, Watch

PREDICTIONS, ERRORS, PROFILED, SCORED, SCORES = 0, 1, 2, 3, 4
LABELLED, LABEL_SCORED, POSITIVES, NEGATIVES = 0, 1, 2, 2 + SCORE_BINS
OUTCOME = "outcome"
LABEL_CELLS = 2 + 2 * SCORE_BINS
TIMED, INVALID, OUTLIERS, BUCKETS = 0, 1, 2, 3
LATENCY_BUCKETS = 40
FIRST_LATENCY = 0.0001
WHOLE_CELLS = BUCKETS + LATENCY_BUCKETS


class Lens:
    """How rows of one version become tallies.

    Three kinds: of the rows (in all and by slice), of the labels (the same), and of the whole (latencies and what needs
    all inputs together).
    """

    def __init__(self, watch: Watch, version: Version) -> None:
        reference = version.reference
        self.watch = watch
        self.slices = Slices(watch.slices, reference)
        self.inputs = ProfileCells(reference.inputs, SCORES + SCORE_BINS) if reference and reference.inputs else None
        end = self.inputs.end if self.inputs else SCORES + SCORE_BINS
        self.outputs = ProfileCells(reference.outputs, end) if reference and reference.outputs else None
        self.cells = self.outputs.end if self.outputs else end
        self.multivariate = Multivariate(reference or Reference())
        self.metrics = metric_names(watch)
        self.label_metrics = (*self.metrics, OUTCOME)
        tested = reference.performance if reference else {}
        means = [tested[name].mean if name in tested else math.nan for name in self.metrics]
        losses = [unit(typical_loss(name, watch, mean)) for name, mean in zip(self.metrics, means, strict=True)]
        self.units = [*losses, unit(typical_outcome(watch, reference))]
        self.answer_unit = 1.0 if watch.classes is not None else self.units[-1]
        self.layout = self._layout()

    @property
    def input_numbers(self) -> int:
        return len(self.inputs.numbers) if self.inputs else 0

    @property
    def output_numbers(self) -> int:
        return len(self.outputs.numbers) if self.outputs else 0

    @property
    def expected_sums(self) -> int:
        """Sums kept of expected losses, a value and a square of each, and of -log(1 - p) if there are two classes."""
        if self.watch.classes is None:
            return 0
        return 2 * len(self.metrics) + (2 if self.watch.classes == 2 else 0)

    def row_facts(self, rows: Predictions, inputs: Inputs | None) -> Facts:
        """What rows count in all and by slice. The sums: expected losses, inputs, outputs, two of each."""
        count = rows.keys.size
        outputs = rows.outputs.astype(np.float64)
        scored = self.finite(outputs)
        codes = [np.zeros((count, 1), dtype=np.int64), self._state(count, rows.answered, scored, inputs is not None)]
        deviations: list[FloatArray] = []
        values: list[FloatArray] = []
        if self.expected_sums:
            deviations.append(_among(scored, np.stack(self._expected(outputs[scored]), axis=1)))
        if self.inputs is not None:
            self._profile(
                self.inputs, inputs.columns if inputs else None, np.ones(count, np.bool_), codes, values, deviations
            )
        if self.outputs is not None:
            columns = watched_outputs(outputs[scored], self.watch.classes)
            self._profile(self.outputs, columns, scored, codes, values, deviations)
        codes.append(self._scores(outputs, scored))
        return Facts(
            self.cells, np.hstack(codes), _fixed(deviations, count), _joined(values, count), self._odds(outputs, scored)
        )

    def whole_facts(self, rows: Predictions, matrices: Matrices) -> Facts:
        """What rows count in all only. The sums: latency and reconstruction error, two of each."""
        count = rows.keys.size
        timed = np.isfinite(rows.latencies)
        codes = np.full((count, 4), WHOLE_CELLS, dtype=np.int64)
        codes[timed, 0] = TIMED
        codes[timed, 1] = BUCKETS + latency_buckets(rows.latencies[timed])
        if rows.answered:
            codes[~self.finite(rows.outputs), 2] = INVALID
        errors, outliers = self.multivariate.look(matrices, count)
        codes[outliers, 3] = OUTLIERS
        sums = np.hstack([np.stack(fixed_point(rows.latencies), axis=1), errors])
        return Facts(WHOLE_CELLS, codes, sums, np.empty((count, 0)))

    def label_facts(self, outputs: FloatArray, labels: FloatArray, answered: BoolArray) -> Facts:
        """What labels of rows count; a label of a row without answer counts nothing. The sums: losses and the
        label itself, two of each."""
        count = labels.size
        scored = np.asarray(answered & self.finite(outputs), dtype=np.bool_)
        codes = np.full((count, 3), LABEL_CELLS, dtype=np.int64)
        codes[answered, 0] = LABELLED
        codes[scored, 1] = LABEL_SCORED
        if self.watch.classes == 2:
            first = np.where(labels[scored] == 1, POSITIVES, NEGATIVES)
            codes[scored, 2] = first + score_bins(outputs[scored])
        values = [*losses(self.watch, outputs[scored], labels[scored]), labels[scored]]
        parts = [
            _among(scored, np.stack(fixed_point(one / of), axis=1)) for one, of in zip(values, self.units, strict=True)
        ]
        return Facts(LABEL_CELLS, codes, np.hstack(parts).astype(np.int64), np.empty((count, 0)))

    def finite(self, outputs: FloatArray | SingleArray) -> BoolArray:
        """Rows whose answer consists of finite numbers."""
        finite: BoolArray = np.all(np.isfinite(outputs), axis=1)
        return finite

    def _state(self, count: int, answered: bool, scored: BoolArray, profiled: bool) -> IntArray:
        codes = np.full((count, 3), self.cells, dtype=np.int64)
        if not answered:
            codes[:, 0] = ERRORS
        if profiled:
            codes[:, 1] = PROFILED
        codes[scored, 2] = SCORED
        return codes

    def _scores(self, outputs: FloatArray, scored: BoolArray) -> IntArray:
        codes = np.full((outputs.shape[0], 1), self.cells, dtype=np.int64)
        if self.watch.classes == 2:
            codes[scored, 0] = SCORES + score_bins(outputs[scored])
        return codes

    def _expected(self, outputs: FloatArray) -> list[FloatArray]:
        expected = expected_losses(outputs)
        return [*expected, score_bases(outputs)] if self.watch.classes == 2 else expected

    def _odds(self, outputs: FloatArray, scored: BoolArray) -> Binned | None:
        """The log-odds by score bin, in steps: what `tidemill_stats.estimation.ScoreSums` adds up."""
        if self.watch.classes != 2:
            return None
        places = np.full(scored.size, SCORE_BINS, dtype=np.int64)
        values = np.zeros(scored.size)
        places[scored], values[scored] = score_bins(outputs[scored]), log_odds(outputs[scored])
        return Binned(SCORE_BINS, places, values)

    def _profile(
        self,
        cells: ProfileCells,
        columns: Mapping[str, Values] | None,
        some: BoolArray,
        codes: list[IntArray],
        values: list[FloatArray],
        deviations: list[FloatArray],
    ) -> None:
        """Add what the columns of the rows in `some` count; None: no row counts."""
        count, numbers = some.size, len(cells.numbers)
        if columns is None or not some.any():
            codes.append(np.full((count, cells.columns), self.cells, dtype=np.int64))
            values.append(np.full((count, numbers), np.nan))
            deviations.append(np.full((count, numbers), np.nan))
            return
        inside = int(np.count_nonzero(some))
        found, (raw, scaled) = cells.codes(columns, inside), cells.deviations(columns, inside)
        if inside < count:
            every = np.full((count, cells.columns), self.cells, dtype=np.int64)
            every[some] = found
            found, raw, scaled = every, _among(some, raw, np.nan), _among(some, scaled, np.nan)
        codes.append(found)
        values.append(raw)
        deviations.append(scaled)

    def _layout(self) -> str:
        """Tells tallies of another layout from its own."""
        parts = [
            str(self.cells),
            str(self.multivariate.embedded),
            *self.label_metrics,
            *map(str, self.units),
            *self.slices.names,
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def latency_buckets(latencies: FloatArray) -> IntArray:
    """Bucket of each latency in seconds: i within 0.0001 * 2^(i / 2) and not within the one before."""
    return np.searchsorted(_LATENCY_BOUNDS, latencies, side="left")


_LATENCY_BOUNDS = FIRST_LATENCY * 2.0 ** (np.arange(LATENCY_BUCKETS - 1) / 2)


def _among(some: BoolArray, values: np.ndarray, fill: float = 0.0) -> np.ndarray:
    """`values`, shape [k, m], at the places of `some`, shape [n] with k true, and `fill` elsewhere."""
    if some.all():
        return values
    every = np.full((some.size, values.shape[1]), fill, dtype=values.dtype)
    every[some] = values
    return every


def _joined(parts: list[FloatArray], count: int) -> FloatArray:
    return np.hstack(parts) if parts else np.empty((count, 0))


def _fixed(deviations: list[FloatArray], count: int) -> IntArray:
    """Values and squares side by side, shape [n, 2 m]."""
    values, squares = fixed_point(_joined(deviations, count))
    return np.stack([values, squares], axis=2).reshape(count, -1)
