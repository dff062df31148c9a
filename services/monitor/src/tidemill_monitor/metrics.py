"""Prometheus metrics of the monitor. Versions are told apart only for the version that answers, so series are few."""

from prometheus_client import Counter, Gauge, Histogram

PREDICTIONS = Counter("tidemill_monitor_predictions_total", "Predictions taken into windows.", ["model"])
LABELS = Counter(
    "tidemill_monitor_labels_total",
    "Truths and predictions by what became of them: matched; corrected (a later truth of the same prediction); "
    "orphaned (a truth without prediction); expired (a prediction without truth); invalid (no possible truth); "
    "late, future (predictions outside the time that is watched).",
    ["model", "outcome"],
)
WINDOWS_CLOSED = Counter("tidemill_monitor_windows_closed_total", "Windows judged.", ["model", "kind"])
WATERMARK = Gauge("tidemill_monitor_watermark_seconds", "Event time up to which predictions were read.", ["model"])
DRIFT_EFFECT = Gauge(
    "tidemill_monitor_drift_effect_ratio",
    "Distance (0 to 1) of an input of the last horizon to training.",
    ["model", "version", "feature"],
)
PERFORMANCE = Gauge(
    "tidemill_monitor_performance",
    "Mean of a metric over the labelled predictions of the last horizon, in the metric's unit.",
    ["model", "version", "metric"],
)
ALARMS = Counter("tidemill_monitor_alarms_total", "Alarms raised.", ["model", "kind", "action"])
FLUSH_SECONDS = Histogram("tidemill_monitor_flush_seconds", "Time to store state and tell windows.", ["stage"])
STATE_BYTES = Counter("tidemill_monitor_state_bytes_total", "Bytes of state written to changelogs.", ["stage"])
