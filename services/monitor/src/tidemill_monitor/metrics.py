"""Prometheus metrics of the monitor. Versions are told apart only for the version that answers, so series are few."""

from prometheus_client import Counter, Gauge, Histogram

PREDICTIONS = Counter("tidemill_monitor_predictions_total", "Predictions taken into windows.", ["model"])
LABELS = Counter(
    "tidemill_monitor_labels_total",
    "Truths and predictions by what became of them: matched; corrected (a later truth of the same prediction); "
    "orphaned (a truth without prediction); expired (a prediction without truth); overdue (a truth after that); "
    "invalid (no possible truth); "
    "late, future (predictions outside the time that is watched).",
    ["model", "outcome"],
)
WINDOWS_CLOSED = Counter("tidemill_monitor_windows_closed_total", "Windows judged.", ["model", "kind"])
WATERMARK = Gauge("tidemill_monitor_watermark_seconds", "Event time up to which predictions were read.", ["model"])
DRIFT_EFFECT = Gauge(
    "tidemill_monitor_drift_effect_ratio",
    "Distance (0 to 1) of an input of the last windows to training, at the scale that shows it best.",
    ["model", "version", "feature"],
)
PERFORMANCE = Gauge(
    "tidemill_monitor_performance",
    "Mean of a metric over the labelled predictions of the last mature window, in the metric's unit.",
    ["model", "version", "metric"],
)
ESTIMATED_PERFORMANCE = Gauge(
    "tidemill_monitor_estimated_performance",
    "The loss of the last window as the answers alone lead one to expect, in the metric's unit.",
    ["model", "version", "metric"],
)
PROMISED_PERFORMANCE = Gauge(
    "tidemill_monitor_promised_performance",
    "The loss of the answering version on its test rows, in the metric's unit.",
    ["model", "version", "metric"],
)
OUTLIER_RATIO = Gauge("tidemill_monitor_outlier_ratio", "Share of outliers in the last window.", ["model"])
MONITOR_STATE = Gauge(
    "tidemill_monitor_state",
    "What a monitor says of the last window, all rows together: 0 fine, 1 it shows, 2 in as many windows as matter.",
    ["model", "monitor"],
)
AGE_SECONDS = Gauge(
    "tidemill_monitor_age_seconds", "Age in event time of the model, its data or its labels.", ["model", "subject"]
)
HEARD_SECONDS = Gauge(
    "tidemill_monitor_heard_seconds", "When predictions were last heard of, as a Unix time of the clock.", ["model"]
)
UNJUDGED = Counter("tidemill_monitor_unjudged_total", "Attempts at judging a model that failed.", ["model"])
MUTED = Counter("tidemill_monitor_muted_alarms_total", "Alarms recorded of which nobody was told.", ["model", "kind"])
PANES = Gauge("tidemill_monitor_kept_panes", "Panes kept, one for each version and partition.", ["model"])
ALARMS = Counter("tidemill_monitor_alarms_total", "Alarms raised.", ["model", "kind", "action"])
FLUSH_SECONDS = Histogram("tidemill_monitor_flush_seconds", "Time to store state and tell windows.", ["stage"])
STATE_BYTES = Counter("tidemill_monitor_state_bytes_total", "Bytes of state written to changelogs.", ["stage"])
NOTIFICATIONS = Counter(
    "tidemill_monitor_notifications_total",
    "Attempts at telling people of an alarm, by outcome: delivered, retried (tried again) or failed (given up).",
    ["channel", "outcome"],
)
