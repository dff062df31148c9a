"""The alarms in the report: what moved, then and now, since when, and what was asked of whom."""

from html import escape

from google.protobuf.json_format import MessageToDict
from tidemill.v1.monitoring_pb2 import DriftAction, DriftDetected, DriftEvidence, DriftKind, Severity

from tidemill_local.histograms import bars

WIDTH, HEIGHT = 240, 60
THEN_COLOUR, NOW_COLOUR = "#9aa5ab", "#0b6e99"


def alarm_section(alarm: DriftDetected) -> str:
    """One alarm as HTML."""
    kind = DriftKind.Name(alarm.kind).removeprefix("DRIFT_KIND_").lower().replace("_", " ")
    action = DriftAction.Name(alarm.action).removeprefix("DRIFT_ACTION_").lower().replace("_", " ")
    severity = Severity.Name(alarm.severity).removeprefix("SEVERITY_").lower()
    since, until = (moment.ToDatetime() for moment in (alarm.since, alarm.until))
    lines = "".join(f"<li>{escape(one.explanation)}</li>" for one in alarm.evidence)
    drawn = "".join(_figure(one) for one in alarm.evidence if one.HasField("then") and one.HasField("now"))
    return (
        f"<h3>{until:%d %b}: {escape(kind)}, {escape(severity)}, version {alarm.version}; asked: {escape(action)}</h3>"
        f"<p>{escape(alarm.reason)}. Since {since:%d %b %H:%M}.</p><ul>{lines}</ul><div class='bars'>{drawn}</div>"
    )


def _figure(evidence: DriftEvidence) -> str:
    cells = bars(MessageToDict(evidence.then), MessageToDict(evidence.now))
    most = max(max(cell.then, cell.now) for cell in cells) or 1.0
    step = WIDTH / len(cells)
    drawn = "".join(
        f"<rect x='{(index + side / 2) * step:.1f}' y='{HEIGHT * (1 - share / most):.1f}' width='{step / 2:.1f}' "
        f"height='{HEIGHT * share / most:.1f}' fill='{colour}'><title>{escape(cell.label)}: {share:.1%}</title></rect>"
        for index, cell in enumerate(cells)
        for side, (share, colour) in enumerate(((cell.then, THEN_COLOUR), (cell.now, NOW_COLOUR)))
    )
    caption = f"{escape(evidence.subject)}: training (grey), now (blue)"
    return f"<figure><svg width='{WIDTH}' height='{HEIGHT}'>{drawn}</svg><figcaption>{caption}</figcaption></figure>"
