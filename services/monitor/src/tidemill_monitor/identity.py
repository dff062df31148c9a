"""Ids of what the monitor says: the same for the same thing, however often it is found."""

from tidemill.v1.monitoring_pb2 import DriftDetected, RolloutEvidence
from tidemill_runtime.events import derived_id
from tidemill_stats.detectors import DETECTORS


def alarm_id(alarm: DriftDetected) -> str:
    """Of an alarm: by model, version, kind, slice, end of its window, and the online detector if one raised it."""
    detectors = [one.test for one in alarm.evidence[:1] if one.test in DETECTORS]
    until = alarm.until.ToMicroseconds()
    return derived_id("drift", alarm.model, alarm.version, alarm.kind, alarm.slice, until, *detectors)


def rollout_id(evidence: RolloutEvidence) -> str:
    """Of evidence for a release: by model, pane, and how far the pane and all others had been read."""
    place = evidence.model, evidence.start, evidence.length
    return derived_id("rollout", *place, evidence.sequence, evidence.complete_until)
