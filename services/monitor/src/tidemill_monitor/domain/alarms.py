"""An alarm as the event that says it."""

from collections.abc import Mapping, Sequence

from tidemill.v1 import monitoring_pb2 as pb
from tidemill.v1.profile_pb2 import ColumnProfile as ColumnMessage
from tidemill_stats.column import ColumnProfile
from tidemill_stats.decision import Alarm
from tidemill_stats.evidence import Action, Severity
from tidemill_stats.profile import DataProfile
from tidemill_stats.profile_proto import to_proto

from tidemill_monitor.domain.exhibit import Exhibit
from tidemill_monitor.domain.wording import sentence

MAX_EVIDENCE = 20
MAX_DRAWN = 5
SEVERITIES = {
    Severity.INFO: pb.SEVERITY_INFO,
    Severity.WARNING: pb.SEVERITY_WARNING,
    Severity.CRITICAL: pb.SEVERITY_CRITICAL,
}
ACTIONS = {
    Action.RETRAIN: pb.DRIFT_ACTION_RETRAIN,
    Action.TELL_DATA_SCIENTIST: pb.DRIFT_ACTION_TELL_DATA_SCIENTIST,
    Action.TELL_DATA_ENGINEER: pb.DRIFT_ACTION_TELL_DATA_ENGINEER,
    Action.NONE: pb.DRIFT_ACTION_UNSPECIFIED,
}


def detected(
    alarm: Alarm,
    exhibits: Sequence[Exhibit],
    *,
    model: str,
    pipeline: str,
    version: int,
    kind: pb.DriftKind,
    what: str,
    slice_: str,
) -> pb.DriftDetected:
    """The event of an alarm; the strongest evidence comes with the distributions then and now."""
    by_place: Mapping[tuple[str, str, int], Exhibit] = {one.place: one for one in exhibits}
    shown = [by_place[one.subject, one.test, one.scale] for one in alarm.evidence[:MAX_EVIDENCE]]
    message = pb.DriftDetected(
        model=model,
        version=version,
        kind=kind,
        severity=SEVERITIES[alarm.severity],
        action=ACTIONS[alarm.action],
        evidence=[_evidence(one, drawn=place < MAX_DRAWN) for place, one in enumerate(shown)],
        pipeline=pipeline,
        reason=f"{what}{f' where {slice_}' if slice_ else ''}: {alarm.reason}",
        slice=slice_,
        windows=alarm.windows,
    )
    message.since.FromMicroseconds(alarm.since)
    message.until.FromMicroseconds(alarm.until)
    return message


def _evidence(one: Exhibit, *, drawn: bool) -> pb.DriftEvidence:
    evidence = one.evidence
    return pb.DriftEvidence(
        subject=evidence.subject,
        test=evidence.test,
        statistic=evidence.statistic,
        p_value=evidence.p_value,
        effect=evidence.effect,
        explanation=sentence(evidence),
        then=_column(evidence.subject, one.then) if drawn else None,
        now=_column(evidence.subject, one.now) if drawn else None,
    )


def _column(name: str, column: ColumnProfile | None) -> ColumnMessage | None:
    if column is None:
        return None
    rows = column.present + column.missing
    message = to_proto(DataProfile(rows, {name: column})).columns[0]
    message.ClearField("distinct")
    if message.HasField("numeric"):
        message.numeric.ClearField("quantiles")
    return message
