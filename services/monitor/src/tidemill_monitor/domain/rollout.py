"""Evidence for a release decision: what each arm of a model showed in one window."""

from tidemill.v1 import monitoring_pb2 as pb
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_stats.performance import MeanEstimate

from tidemill_monitor.domain.arms import Arms
from tidemill_monitor.domain.merged import Merged
from tidemill_monitor.domain.monitors.serving import slow_answers
from tidemill_monitor.domain.pane_store import Arm
from tidemill_monitor.domain.watched import Watch
from tidemill_monitor.domain.windows import Window

SLOW_SECONDS = 0.5
ERROR_RATE = "error_rate"


def rollout_evidence(watch: Watch, arms: Arms, window: Window, known_at: int) -> list[pb.RolloutEvidence]:
    """Sums of one window by arm and metric, if two versions or more have rows in it; labels as known at `known_at`.

    Metrics: the loss, `error_rate` of classifications, and by prediction `errors` and `slow` answers, 0 or 1 each.
    """
    merged = {arm: one for arm in arms.of(window) if (one := arms.one(arm, window)).total.predictions}
    if len({arm.version for arm in merged}) < 2:
        return []
    return [
        _evidence(watch.model, arm, metric, sums, window)
        for arm, one in merged.items()
        for metric, sums in _sums(watch, one, known_at).items()
    ]


def _sums(watch: Watch, merged: Merged, known_at: int) -> dict[str, MeanEstimate]:
    known = merged.labelled_by(known_at) if merged.labels else merged.total.metrics
    objective = watch.monitors.serving.latency if watch.monitors.serving else SLOW_SECONDS
    slow, timed = slow_answers(merged, objective)
    errors, predictions = merged.total.errors, merged.total.predictions
    return {
        **{name: known[name] for name in (watch.loss, ERROR_RATE) if name in known},
        "errors": MeanEstimate(predictions, errors, errors),
        "slow": MeanEstimate(timed, slow, slow),
    }


def _evidence(model: str, arm: Arm, metric: str, sums: MeanEstimate, window: Window) -> pb.RolloutEvidence:
    message = pb.RolloutEvidence(
        model=model,
        version=arm.version,
        metric=metric,
        observations=sums.count,
        sums=MetricSums(count=sums.count, sum=sums.sum, sum_of_squares=sums.sum_of_squares),
        mirror=arm.mirror,
    )
    message.since.FromMicroseconds(window.start)
    message.until.FromMicroseconds(window.end)
    return message
