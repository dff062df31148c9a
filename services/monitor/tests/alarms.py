"""Alarms to tell of."""

from tidemill.v1.monitoring_pb2 import (
    DRIFT_ACTION_RETRAIN,
    DRIFT_KIND_INPUT,
    SEVERITY_WARNING,
    DriftAction,
    DriftDetected,
    DriftKind,
)
from tidemill_runtime.events import Event, new_event

DAY = 86_400 * 1_000_000


def alarm(
    *subjects: str,
    kind: "DriftKind.ValueType" = DRIFT_KIND_INPUT,
    action: "DriftAction.ValueType" = DRIFT_ACTION_RETRAIN,
    slice_: str = "",
) -> DriftDetected:
    message = DriftDetected(
        model="tide",
        version=3,
        pipeline="tides",
        kind=kind,
        severity=SEVERITY_WARNING,
        action=action,
        reason="temp <moved> & stays in 3 windows in a row",
        slice=slice_,
        windows=3,
    )
    message.since.FromMicroseconds(16_000 * DAY)
    message.until.FromMicroseconds(16_003 * DAY)
    for subject in subjects or ("temp",):
        evidence = message.evidence.add(subject=subject, test="chi_square", effect=0.25, p_value=1e-9)
        evidence.explanation = f"{subject}: mean 10.2 → 12.9"
        evidence.now.name = subject
    return message


def event(data: DriftDetected, alarm_id: str = "0b5c7f0e-6d6f-5d39-9f1e-0c8f5ad1a001") -> Event[DriftDetected]:
    return new_event("monitor", data.model, data, id=alarm_id)
