"""The registry's metrics."""

from prometheus_client import Counter, Gauge

VERSIONS = Counter(
    "tidemill_registry_versions_total", "Versions recorded, by the policy's verdict.", ["model", "verdict"]
)
DECISIONS = Counter(
    "tidemill_registry_decisions_total", "Decisions by action and kind of actor.", ["model", "action", "by"]
)
CHAMPION = Gauge("tidemill_registry_champion_version", "Version that serves.", ["model"])
