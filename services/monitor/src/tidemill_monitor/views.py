"""What the monitor answers over HTTP, as plain values."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict
from tidemill.v1.monitoring_pb2 import SEVERITY_CRITICAL, DriftDetected
from tidemill_runtime.errors import NotFound

from tidemill_monitor.domain.arms import Arms
from tidemill_monitor.domain.merged import Merged, merge_all
from tidemill_monitor.domain.monitors.table import MONITORS
from tidemill_monitor.domain.pane_store import Arm
from tidemill_monitor.domain.shown import performance_values, time
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.domain.windows import Window
from tidemill_monitor.evaluation import Model
from tidemill_monitor.records import Raised

GRAVE = {"performance", "detector", "numerical", "serving", "schema"}


def health(model: Model) -> dict[str, Any]:
    """The overall state, that of each monitor, and how old things are."""
    monitors = {monitor.name: _monitor(model, monitor.name) for monitor in MONITORS}
    states = {name: one["state"] for name, one in monitors.items()}
    return {
        "model": model.watch.model,
        "version": model.state.version or None,
        "state": _overall(model, states),
        "monitors": monitors,
        "ages_seconds": _ages(model),
        "watermark": time(model.panes.watermark),
        "heard": model.heard.isoformat() if model.heard else None,
        "silent_seconds": (datetime.now(UTC) - model.heard).total_seconds() if model.heard else None,
    }


def alarms(model: Model, limit: int, slice_: str | None) -> dict[str, Any]:
    """The alarms, the newest first."""
    found = [raised for raised in reversed(model.records.alarms.values()) if slice_ in (None, raised.alarm.slice)]
    shown = [_alarm(one) for one in found[:limit]]
    return {"model": model.watch.model, "version": model.state.version or None, "alarms": shown}


def alarm(model: Model, identity: str) -> dict[str, Any]:
    """One alarm with all its evidence. Raises NotFound."""
    raised = model.records.alarms.get(identity)
    if raised is None:
        raise NotFound(f"no alarm {identity} of model {model.watch.model!r} is known here")
    return _alarm(raised, drawn=True)


def windows(model: Model, limit: int, slice_: str | None) -> dict[str, Any]:
    """The last windows with what was found in each, the newest first, and the rows of the one that is still open."""
    found = []
    for _, record in model.records.newest_windows[:limit]:
        inputs = record.get("inputs", {})
        performance = record.get("performance", {})
        found.append(
            {
                **{name: record.get(name) for name in ("start", "end", "rows")},
                "version": inputs.get("version") or performance.get("version"),
                "findings": [
                    one
                    for stage in (inputs, performance)
                    for one in stage.get("monitors", ())
                    if slice_ is None or one["slice"] == slice_
                ],
                "performance": _measured(performance, slice_),
            }
        )
    open_rows = _open_rows(model)
    return {"model": model.watch.model, "watermark": time(model.panes.watermark), "open": open_rows, "windows": found}


def performance(model: Model, catalogue: Catalogue, limit: int, slice_: str | None) -> dict[str, Any]:
    """Performance of the answering version, by the time of its predictions and by the time of their labels.

    By prediction time a window tells what is known now as long as its panes are kept, then what it was judged by.
    """
    kept = {window.end: window for window in model.state.windows}
    by_prediction = [
        {**_span(record), **_window_performance(model, catalogue, kept.get(end), record, slice_)}
        for end, record in model.records.newest_windows[:limit]
    ]
    return {
        "model": model.watch.model,
        "version": model.state.version or None,
        "slice": slice_ or "",
        "metric": model.watch.loss,
        "by_prediction_time": by_prediction,
        "by_label_time": [] if slice_ else _by_label_time(model, limit),
    }


def _monitor(model: Model, name: str) -> dict[str, Any]:
    monitor = next(one for one in MONITORS if one.name == name)
    if monitor.rule(model.watch.monitors) is None:
        return {"state": "off"}
    for _, record in model.records.newest_windows:
        for one in record.get(monitor.stage, {}).get("monitors", ()):
            if one["monitor"] == name and not one["slice"]:
                return _monitor_values(record, one)
    return {"state": "unknown"}


def _monitor_values(record: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    state = "alarm" if one["confirmed"] else "drifting" if one["windows"] else "ok"
    strongest = one["strongest"]
    return {
        "state": state,
        "subject": strongest["subject"],
        "value": strongest["statistic"],
        "effect": strongest["effect"],
        "p_value": strongest["p_value"],
        "level": one["level"],
        "explanation": strongest["explanation"],
        "windows": one["windows"],
        "since": one["since"],
        "judged": record["end"],
    }


def _overall(model: Model, states: dict[str, str]) -> str:
    """Unhealthy: what callers notice, or anything critical; degraded: anything else that is confirmed."""
    confirmed = {name for name, state in states.items() if state == "alarm"}
    newest = next(reversed(model.records.alarms.values()), None)
    if confirmed & GRAVE or (confirmed and newest is not None and newest.alarm.severity == SEVERITY_CRITICAL):
        return "unhealthy"
    if confirmed:
        return "degraded"
    return "healthy" if set(states.values()) & {"ok", "drifting"} else "unknown"


def _ages(model: Model) -> dict[str, float | None]:
    for _, record in model.records.newest_windows:
        if "ages_seconds" in record:
            return dict(record["ages_seconds"])
    return {"model": None, "data": None, "labels": None}


def _alarm(raised: Raised, *, drawn: bool = False) -> dict[str, Any]:
    """An alarm; the distributions then and now only if it is drawn."""
    message = DriftDetected()
    message.CopyFrom(raised.alarm)
    for evidence in () if drawn else message.evidence:
        evidence.ClearField("then")
        evidence.ClearField("now")
    values = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return {"id": raised.id, "published": not raised.muted_by, "muted_by": raised.muted_by or None, **values}


def _span(record: dict[str, Any]) -> dict[str, Any]:
    stage = record.get("performance") or record.get("inputs") or {}
    return {"start": record.get("start"), "end": record.get("end"), "version": stage.get("version")}


def _window_performance(
    model: Model, catalogue: Catalogue, window: Window | None, record: dict[str, Any], slice_: str | None
) -> dict[str, Any]:
    judged = record.get("performance")
    number = _span(record)["version"]
    if window is None or not number:
        return {"mature": judged is not None, **(_measured(judged or {}, slice_) or {})}
    merged = Arms(model.panes, profiled=False).one(Arm(number), window)
    part = merged.part(slice_ or "")
    version = None if slice_ else catalogue.version(model.watch.model, number)
    return {"mature": judged is not None, **performance_values(version, part, part.metrics)}


def _measured(stage: dict[str, Any], slice_: str | None) -> dict[str, Any] | None:
    if slice_:
        found = stage.get("slices", {}).get(slice_)
        return dict(found) if found else None
    names = ("predictions", "errors", "labelled", "auc", "metrics")
    return {name: stage[name] for name in names} if "metrics" in stage else None


def _by_label_time(model: Model, limit: int) -> list[dict[str, Any]]:
    """The labels of kept panes by the pane in which they became known, the newest first."""
    merged = _everything(model)
    return [
        {
            "start": time(pane.start),
            "end": time(pane.start + model.watch.pane),
            "labelled": pane.labelled,
            "metrics": {name: sums.mean for name, sums in pane.metrics.items() if sums.count},
        }
        for pane in reversed(merged.labels[-limit:])
    ]


def _everything(model: Model) -> Merged:
    arms = Arms(model.panes, profiled=False)
    return merge_all(arms.one(Arm(model.state.version), window) for window in _spans(model))


def _spans(model: Model) -> Iterator[Window]:
    first, last = model.panes.first, model.panes.last
    if first is None or last is None:
        return
    yield Window(first, last + model.watch.pane, 0)


def _open_rows(model: Model) -> dict[str, Any]:
    start = model.state.next_start
    last = model.panes.last
    if start is None or last is None or last < start:
        return {"start": time(start), "rows": 0}
    return {"start": time(start), "rows": model.panes.answered(start, last + model.watch.pane)}
