"""The registry's metrics."""

from prometheus_client import Counter, Gauge

VERSIONS = Counter(
    "tidemill_registry_versions_total", "Versions recorded, by the policy's verdict.", ["model", "verdict"]
)
DECISIONS = Counter(
    "tidemill_registry_decisions_total", "Decisions by action and kind of actor.", ["model", "action", "by"]
)
CHAMPION = Gauge("tidemill_registry_champion_version", "Version that serves.", ["model"])
ROLLOUTS = Counter(
    "tidemill_registry_rollout_moves_total", "Moves of rollouts, by what moved them.", ["model", "trigger"]
)
SHARE = Gauge("tidemill_registry_rollout_share", "Share of the traffic that a candidate answers, 0 to 1.", ["model"])
EVIDENCE_AGE = Gauge(
    "tidemill_registry_rollout_evidence_age_seconds",
    "Seconds since the monitor last told of the rollout under way; 0 without one.",
    ["model"],
)
DEPLOYMENTS = Gauge(
    "tidemill_registry_deployments_per_day", "Versions that became champion, a day, over 30 days.", ["model"]
)
LEAD_TIME = Gauge(
    "tidemill_registry_lead_time_seconds", "Median from a version's training to its promotion, over 30 days.", ["model"]
)
RESTORE_TIME = Gauge(
    "tidemill_registry_time_to_restore_seconds",
    "Median from a bad version's first traffic to its end.",
    ["model"],
)
FAILURE_RATE = Gauge(
    "tidemill_registry_change_failure_rate", "Share of changes that were taken back, 0 to 1, over 30 days.", ["model"]
)
