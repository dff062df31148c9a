"""The trainer's Prometheus metrics."""

from prometheus_client import Counter, Histogram

RUNS = Counter(
    "tidemill_trainer_runs_total", "Training runs ended, by outcome: succeeded or failed.", ["pipeline", "outcome"]
)
RUN_SECONDS = Histogram(
    "tidemill_trainer_run_seconds",
    "Time of one training run, from its claim to its commit.",
    ["pipeline"],
    buckets=(1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600),
)
CANDIDATE_SECONDS = Histogram(
    "tidemill_trainer_candidate_seconds",
    "Time of fitting one candidate.",
    ["pipeline", "candidate"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 20, 60, 300, 1800),
)
