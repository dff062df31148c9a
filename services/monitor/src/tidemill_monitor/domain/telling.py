"""How a pane stands, as a message."""

from tidemill.v1.monitoring_pb2 import LabelPane, PanePartial, SlicePartial
from tidemill.v1.reference_pb2 import MetricSums

from tidemill_monitor.domain.block import ALL
from tidemill_monitor.domain.fixed import metric_sums
from tidemill_monitor.domain.lens import (
    BUCKETS,
    ERRORS,
    INVALID,
    LABEL_SCORED,
    LABELLED,
    NEGATIVES,
    OUTLIERS,
    POSITIVES,
    PREDICTIONS,
    PROFILED,
    SCORED,
    SCORES,
    TIMED,
    Lens,
)
from tidemill_monitor.domain.multivariate import RECONSTRUCTION_STEPS
from tidemill_monitor.domain.pane_state import PaneState
from tidemill_monitor.domain.scoring import SCORE_BINS
from tidemill_monitor.domain.tally import Tally


def partial(state: PaneState, partition: int, watermark: int, *, offset: int, expired: bool) -> PanePartial:
    """The pane as a message, complete in itself; `offset`: the last one counted in `predictions`.

    Its own `offset` is a clock that ticks with every message counted: one more than the last offset in `predictions`
    plus one more than the last in `ground-truth`.
    """
    pane = state.pane
    message = PanePartial(
        model=pane.model,
        version=pane.version,
        partition=partition,
        start=pane.start,
        length=pane.length,
        watermark=watermark,
        offset=offset + state.truth_offset + 2,
        total=_slice(state, ALL),
        schema_violations=dict(sorted(state.violations.items())),
        labels=[
            _label_pane(state.lens, start, tally)
            for start, tally in sorted(state.label_panes.items())
            if tally.counts[LABELLED]
        ],
        corrected=state.corrected,
        censored=state.rows - state.labelled if expired else 0,
        mirror=pane.mirror,
    )
    for key in sorted(key for key in state.tallies if key > ALL):
        message.slices[state.lens.slices.names[key - 1]].CopyFrom(_slice(state, key))
    if state.whole is not None:
        _tell_whole(message, state.lens, state.whole, int(state.tallies[ALL].counts[PROFILED]))
    return message


def _slice(state: PaneState, key: int) -> SlicePartial:
    lens, rows, labels = state.lens, state.tallies[key], state.labels.get(key)
    counts, sums = rows.counts, rows.sums.tolist()
    scored = int(counts[SCORED])
    message = SlicePartial(predictions=int(counts[PREDICTIONS]), errors=int(counts[ERRORS]))
    if scored and lens.expected_sums:
        for place, name in enumerate(lens.metrics):
            message.expected[name].CopyFrom(metric_sums(scored, sums[2 * place], sums[2 * place + 1]))
    if scored and lens.watch.classes == 2:
        message.scores.extend(counts[SCORES : SCORES + SCORE_BINS].tolist())
        message.score_log_odds.extend(sums[-SCORE_BINS:])
        message.score_base = sums[lens.expected_sums - 2]
    if labels is not None:
        _tell_labels(message, lens, labels)
    _tell_profiles(message, lens, rows)
    return message


def _tell_labels(message: SlicePartial, lens: Lens, labels: Tally) -> None:
    message.labelled = int(labels.counts[LABELLED])
    for name, sums in _metrics(lens, labels).items():
        message.metrics[name].CopyFrom(sums)
    if lens.watch.classes == 2 and labels.counts[LABEL_SCORED]:
        message.score_positives.extend(labels.counts[POSITIVES : POSITIVES + SCORE_BINS].tolist())
        message.score_negatives.extend(labels.counts[NEGATIVES : NEGATIVES + SCORE_BINS].tolist())


def _metrics(lens: Lens, labels: Tally) -> dict[str, MetricSums]:
    count = int(labels.counts[LABEL_SCORED])
    if not count:
        return {}
    sums = labels.sums.tolist()
    return {
        name: metric_sums(count, sums[2 * place], sums[2 * place + 1], lens.units[place])
        for place, name in enumerate(lens.label_metrics)
    }


def _label_pane(lens: Lens, start: int, labels: Tally) -> LabelPane:
    return LabelPane(start=start, labelled=int(labels.counts[LABELLED]), metrics=_metrics(lens, labels))


def _tell_profiles(message: SlicePartial, lens: Lens, rows: Tally) -> None:
    first, numbers = lens.expected_sums, lens.input_numbers
    profiled, scored = int(rows.counts[PROFILED]), int(rows.counts[SCORED])
    middle, last = first + 2 * numbers, first + 2 * (numbers + lens.output_numbers)
    if lens.inputs is not None and profiled:
        sums = rows.sums[first:middle].reshape(-1, 2)
        message.inputs.CopyFrom(
            lens.inputs.message(profiled, rows.counts, sums, rows.lows[:numbers], rows.highs[:numbers])
        )
    if lens.outputs is not None and scored:
        sums = rows.sums[middle:last].reshape(-1, 2)
        message.outputs.CopyFrom(
            lens.outputs.message(scored, rows.counts, sums, rows.lows[numbers:], rows.highs[numbers:])
        )


def _tell_whole(message: PanePartial, lens: Lens, whole: Tally, profiled: int) -> None:
    sums = whole.sums.tolist()
    message.latency.CopyFrom(metric_sums(int(whole.counts[TIMED]), sums[0], sums[1]))
    message.latency_buckets.extend(whole.counts[BUCKETS:].tolist())
    message.invalid_outputs = int(whole.counts[INVALID])
    message.outliers = int(whole.counts[OUTLIERS])
    if not profiled:
        return
    if lens.multivariate.reference.pca is not None:
        steps = RECONSTRUCTION_STEPS
        message.reconstruction.CopyFrom(
            MetricSums(count=profiled, sum=sums[2] / steps, sum_of_squares=sums[3] / steps / steps)
        )
    message.embedding.extend(sums[4:])
