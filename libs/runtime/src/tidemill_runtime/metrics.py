"""Prometheus metrics of the runtime; a service declares its own in its `metrics.py`. `docs/metrics.md` lists them."""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

MESSAGES = Counter(
    "tidemill_bus_messages_total",
    "Messages a consumer group is done with, by outcome: processed, or dead_letter.",
    ["topic", "group", "outcome"],
)
RETRIES = Counter("tidemill_bus_retries_total", "Repeated attempts of a handler.", ["topic", "group"])
HANDLER_SECONDS = Histogram("tidemill_bus_handler_seconds", "Time of one handler call.", ["topic", "group"])
PUBLISHED = Counter("tidemill_bus_published_total", "Messages the brokers acknowledged.", ["topic"])
OUTBOX_PENDING = Gauge("tidemill_outbox_pending", "Events committed and not yet published.", ["schema"])
