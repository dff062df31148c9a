"""The gateway's Prometheus metrics: those of Python, and those that the data plane counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from tidemill_dataplane import DataPlane

LOG_ROWS = Counter("tidemill_gateway_log_rows_total", "Predictions logged to Kafka.", ["model"])
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


@dataclass(frozen=True)
class NativeMetric:
    """A metric of the data plane, which calls it `sample`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    documentation: str
    labels: tuple[str, ...]
    sample: str


REQUESTS = NativeMetric(
    "tidemill_gateway_requests_total",
    "counter",
    "Inference requests, by the version that answered (empty: none) and the HTTP status or its gRPC equal.",
    ("model", "version", "protocol", "code"),
    "requests",
)
REQUEST_SECONDS = NativeMetric(
    "tidemill_gateway_request_seconds",
    "histogram",
    "From the parsed request to the answer of the model server.",
    ("model",),
    "latency",
)
RETRIES = NativeMetric(
    "tidemill_gateway_retries_total",
    "counter",
    "Requests sent to a model server a second time.",
    ("model",),
    "retries",
)
FALLBACKS = NativeMetric(
    "tidemill_gateway_fallbacks_total",
    "counter",
    "Requests that the champion answered because this version failed or was slow.",
    ("model", "version"),
    "fallbacks",
)
SHED = NativeMetric(
    "tidemill_gateway_shed_total", "counter", "Requests refused because too many waited.", ("model",), "shed"
)
CACHE = NativeMetric(
    "tidemill_gateway_cache_total",
    "counter",
    "Requests of versions whose answers are cached, by outcome: hit, or miss.",
    ("model", "outcome"),
    "cache",
)
MIRRORED = NativeMetric(
    "tidemill_gateway_mirrored_total", "counter", "Copies that a mirror answered.", ("model", "version"), "mirrored"
)
MIRROR_DROPS = NativeMetric(
    "tidemill_gateway_mirror_drops_total",
    "counter",
    "Copies never answered: queue_full, not_loaded, or failed.",
    ("model", "cause"),
    "mirror_drops",
)
LOG_DROPS = NativeMetric(
    "tidemill_gateway_log_drops_total",
    "counter",
    "Predictions not logged: queue_full, or too_large.",
    ("cause",),
    "log_drops",
)
LOG_QUEUE_ROWS = NativeMetric(
    "tidemill_gateway_log_queue_rows", "gauge", "Predictions waiting to be logged.", (), "log_queue_rows"
)
CONNECTIONS = NativeMetric(
    "tidemill_gateway_open_connections", "gauge", "Open connections on the public ports.", (), "connections"
)
REFUSED_CONNECTIONS = NativeMetric(
    "tidemill_gateway_refused_connections_total",
    "counter",
    "Connections closed at once because too many were open.",
    (),
    "refused_connections",
)
NATIVE = (
    REQUESTS,
    REQUEST_SECONDS,
    RETRIES,
    FALLBACKS,
    SHED,
    CACHE,
    MIRRORED,
    MIRROR_DROPS,
    LOG_DROPS,
    LOG_QUEUE_ROWS,
    CONNECTIONS,
    REFUSED_CONNECTIONS,
)


class NativeCollector(Collector):
    """Asks the data plane for its metrics whenever they are scraped."""

    def __init__(self, native: DataPlane) -> None:
        self._native = native

    def collect(self) -> Iterator[Metric]:
        samples: dict[str, list[tuple[list[str], float]]] = {}
        for name, labels, value in self._native.samples():
            samples.setdefault(name, []).append((labels, value))
        for metric in NATIVE:
            if metric.kind == "histogram":
                yield _histogram(metric, samples)
                continue
            family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            told = family(metric.name.removesuffix("_total"), metric.documentation, labels=metric.labels)
            for labels, value in samples.get(metric.sample, ()):
                told.add_metric(labels, value)
            yield told

    def describe(self) -> Iterator[Metric]:
        """Nothing: names are told when they are collected."""
        return iter(())


def _histogram(metric: NativeMetric, samples: dict[str, list[tuple[list[str], float]]]) -> HistogramMetricFamily:
    told = HistogramMetricFamily(metric.name, metric.documentation, labels=metric.labels)
    sums = {tuple(labels): value for labels, value in samples.get(f"{metric.sample}_sum", ())}
    counts: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for labels, value in samples.get(f"{metric.sample}_bucket", ()):
        buckets = counts.setdefault(tuple(labels[:-1]), [])
        buckets.append(("+Inf" if labels[-1] == "inf" else labels[-1], value + (buckets[-1][1] if buckets else 0)))
    for key, buckets in counts.items():
        told.add_metric(key, buckets, sums.get(key, 0.0))
    return told
