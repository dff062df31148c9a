"""Names of the Kafka topics. Their partitions and settings are in `deploy/kafka/topics.yaml`."""

DATA_ARRIVED = "data-arrived"
TRAINING_REQUESTED = "training-requested"
MODEL_TRAINED = "model-trained"
MODEL_APPROVED = "model-approved"
ROUTES = "routes"
REQUESTS = "requests"
PREDICTIONS = "predictions"
GROUND_TRUTH = "ground-truth"
DRIFT_DETECTED = "drift-detected"
ROLLOUT_EVIDENCE = "rollout-evidence"
ROLLOUTS = "rollouts"
MONITOR_WINDOWS = "monitor-windows"
DRIFT_RESPONSES = "drift-responses"
NOTIFICATIONS = "notifications"

RECORDS_PREFIX = "records."
DEAD_LETTER_SUFFIX = ".dlq"


def records(source: str) -> str:
    """Topic of a source's raw records."""
    return RECORDS_PREFIX + source


def dead_letter(topic: str) -> str:
    """Topic of the messages of `topic` that could not be processed."""
    return topic + DEAD_LETTER_SUFFIX
