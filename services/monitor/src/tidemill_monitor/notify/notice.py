"""What people are told of an alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from google.protobuf.json_format import MessageToDict
from tidemill.v1.monitoring_pb2 import (
    DRIFT_ACTION_RETRAIN,
    DRIFT_ACTION_TELL_DATA_ENGINEER,
    DRIFT_ACTION_TELL_DATA_SCIENTIST,
    DriftAction,
    DriftDetected,
    DriftEvidence,
    DriftKind,
    Severity,
)

MAX_EVIDENCE = 10
ASKED: Mapping[int, str] = {
    DRIFT_ACTION_RETRAIN: "the trainer is asked to retrain",
    DRIFT_ACTION_TELL_DATA_SCIENTIST: "the data scientist is told",
    DRIFT_ACTION_TELL_DATA_ENGINEER: "the data engineer is told",
}


@dataclass(frozen=True)
class Notice:
    """An alarm in words: `subject` in one line, `reason` in one sentence, `evidence` a line each, the strongest first.

    `alarm` is the whole of it as plain values, without the distributions; `link` leads to them, empty if nobody said
    where the monitor is found.
    """

    alarm_id: str
    subject: str
    reason: str
    evidence: tuple[str, ...]
    asked: str
    link: str
    alarm: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All of it as plain text."""
        lines = [self.reason, "", *(f"- {line}" for line in self.evidence), "", f"Asked: {self.asked}."]
        return "\n".join([*lines, *([self.link] if self.link else [])])


def compose(alarm_id: str, alarm: DriftDetected, monitor_url: str | None) -> Notice:
    """The notice of an alarm."""
    lines = [_line(one) for one in alarm.evidence[:MAX_EVIDENCE]]
    if more := len(alarm.evidence) - MAX_EVIDENCE:
        lines += [f"and {more} more"] if more > 0 else []
    where = f" in {alarm.slice}" if alarm.slice else ""
    since = alarm.since.ToDatetime()
    return Notice(
        alarm_id=alarm_id,
        subject=_one_line(
            f"[{_words(Severity.Name(alarm.severity), 'SEVERITY')}] {alarm.model} v{alarm.version}: "
            f"{_words(DriftKind.Name(alarm.kind), 'DRIFT_KIND')}{where} since {_when(since)}"
        ),
        reason=alarm.reason,
        evidence=tuple(lines),
        asked=ASKED.get(alarm.action, "nothing"),
        link=f"{monitor_url.rstrip('/')}/v1/models/{quote(alarm.model)}/drift/{alarm_id}" if monitor_url else "",
        alarm=_plain(alarm),
    )


def action_name(action: int) -> str:
    """`retrain` of DRIFT_ACTION_RETRAIN."""
    return DriftAction.Name(DriftAction.ValueType(action)).removeprefix("DRIFT_ACTION_").lower()


def _line(evidence: DriftEvidence) -> str:
    if evidence.explanation:
        return evidence.explanation
    return f"{evidence.subject}: {evidence.test}, effect {evidence.effect:.3g}, p = {evidence.p_value:.2g}"


def _plain(alarm: DriftDetected) -> dict[str, Any]:
    copy = DriftDetected()
    copy.CopyFrom(alarm)
    for evidence in copy.evidence:
        evidence.ClearField("then")
        evidence.ClearField("now")
    return dict(MessageToDict(copy, preserving_proto_field_name=True))


def _words(name: str, prefix: str) -> str:
    return name.removeprefix(f"{prefix}_").lower().replace("_", " ")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _when(time: datetime) -> str:
    return time.isoformat(" ", "minutes") + " UTC"
