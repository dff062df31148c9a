"""What a version promised of a loss."""

from collections.abc import Mapping

from tidemill_stats.performance import MeanEstimate

from tidemill_monitor.domain.watched import Version

EXACT_ROWS = 1_000_000_000


def promise(version: Version, metric: str) -> MeanEstimate | None:
    """Its test rows' losses; else the mean its training reported, as if it were exact; None if neither says."""
    if version.reference is not None and metric in version.reference.performance:
        return version.reference.performance[metric]
    mean = reported(version.test_metrics, metric)
    return None if mean is None else MeanEstimate(EXACT_ROWS, mean * EXACT_ROWS, mean**2 * EXACT_ROWS)


def reported(metrics: Mapping[str, float], metric: str) -> float | None:
    """A loss as the metrics of a training tell it, None if they do not."""
    if metric in metrics:
        return metrics[metric]
    match metric:
        case "error_rate" if "accuracy" in metrics:
            return 1.0 - metrics["accuracy"]
        case "squared_error" if "mse" in metrics:
            return metrics["mse"]
        case "squared_error" if "rmse" in metrics:
            return metrics["rmse"] ** 2
        case "absolute_error" if "mae" in metrics:
            return metrics["mae"]
    return None
