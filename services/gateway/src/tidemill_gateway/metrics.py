"""The gateway's Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "tidemill_gateway_requests_total",
    "Inference requests, by the version that answered (empty: none) and the HTTP status or its gRPC equal.",
    ["model", "version", "protocol", "code"],
)
REQUEST_SECONDS = Histogram(
    "tidemill_gateway_request_seconds",
    "From the parsed request to the answer of the model server.",
    ["model"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
RETRIES = Counter("tidemill_gateway_retries_total", "Requests sent to the model server a second time.", ["model"])
MIRRORED = Counter("tidemill_gateway_mirrored_total", "Copies that a mirror answered.", ["model", "version"])
MIRROR_DROPS = Counter(
    "tidemill_gateway_mirror_drops_total",
    "Copies never answered: queue_full, not_loaded, or failed.",
    ["model", "cause"],
)
LOG_ROWS = Counter("tidemill_gateway_log_rows_total", "Predictions logged to Kafka.", ["model"])
LOG_DROPS = Counter(
    "tidemill_gateway_log_drops_total", "Predictions not logged: queue_full, too_large, or shutdown.", ["cause"]
)
LOG_QUEUE_ROWS = Gauge("tidemill_gateway_log_queue_rows", "Predictions waiting to be logged.")
ROUTE_EPOCH = Gauge("tidemill_gateway_route_epoch", "Epoch of the route that serves.", ["model"])
ROUTE_BEHIND = Gauge(
    "tidemill_gateway_route_behind", "1 while the newest route is not wholly in effect, else 0.", ["model"]
)
LOADS = Counter(
    "tidemill_gateway_loads_total", "Loadings of a version, by outcome: ready, or failed.", ["model", "outcome"]
)
LOAD_SECONDS = Histogram(
    "tidemill_gateway_load_seconds",
    "From fetching a version to its golden predictions proven.",
    ["model"],
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120),
)
FEEDBACK = Counter("tidemill_gateway_feedback_total", "Labels taken and acknowledged by the brokers.")
