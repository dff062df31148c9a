"""Which candidate wins."""

from collections.abc import Mapping

from tidemill_trainer.domain.scores import METRICS


def winner(validation_metrics: Mapping[str, Mapping[str, float]], primary: str) -> str | None:
    """Name of the candidate with the best `primary` metric over the validation rows; the first named of equals.

    `validation_metrics`: candidate name to its metrics, in the pipeline's order. None if no candidate has the metric.
    """
    having = {name: values[primary] for name, values in validation_metrics.items() if primary in values}
    if not having:
        return None
    sign = 1 if METRICS[primary].higher_is_better else -1
    return max(having, key=lambda name: sign * having[name])
