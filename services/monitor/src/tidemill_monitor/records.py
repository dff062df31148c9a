"""What is remembered of a model for people: its windows and alarms, each a value of the changelog."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidemill.v1.monitoring_pb2 import DriftDetected

from tidemill_monitor.identity import alarm_id

KEPT_ALARMS = 200
KEPT_WINDOWS = 400
Changes = dict[str, bytes | None]


@dataclass(frozen=True)
class Raised:
    """An alarm that was raised; `muted_by`: id of the response because of which nobody was told, empty if all were."""

    alarm: DriftDetected
    muted_by: str = ""

    @property
    def id(self) -> str:
        return alarm_id(self.alarm)

    def encode(self) -> bytes:
        alarm = base64.b64encode(self.alarm.SerializeToString()).decode()
        return json.dumps({"alarm": alarm, "muted_by": self.muted_by}).encode()

    @staticmethod
    def decode(data: bytes) -> "Raised":
        values = json.loads(data)
        return Raised(DriftDetected.FromString(base64.b64decode(values["alarm"])), values["muted_by"])


@dataclass
class Records:
    """The last windows by their end (microseconds of event time) and the last alarms by their id, the oldest first."""

    model: str
    windows: dict[int, dict[str, Any]] = field(default_factory=dict)
    alarms: dict[str, Raised] = field(default_factory=dict)

    def add_windows(self, windows: Mapping[int, Mapping[str, Any]]) -> Changes:
        """Remember more of these windows; what is to be stored."""
        for end, values in windows.items():
            self.windows.setdefault(end, {}).update(values)
        changes: Changes = {self._window_key(end): json.dumps(self.windows[end]).encode() for end in windows}
        for end in self._old_windows():
            del self.windows[end]
            changes[self._window_key(end)] = None
        return changes

    def _old_windows(self) -> list[int]:
        """All but the last KEPT_WINDOWS, and as many whose performance is known: labels may come much later."""
        ends = sorted(self.windows)
        judged = [end for end in ends if "performance" in self.windows[end]]
        return sorted({*ends[:-KEPT_WINDOWS]} - {*judged[-KEPT_WINDOWS:]})

    def add_alarms(self, raised: Iterable[Raised]) -> Changes:
        """Remember these alarms; what is to be stored."""
        changes: Changes = {}
        for one in raised:
            self.alarms[one.id] = one
            changes[self._alarm_key(one.id)] = one.encode()
        self._sort()
        for old in list(self.alarms)[:-KEPT_ALARMS]:
            del self.alarms[old]
            changes[self._alarm_key(old)] = None
        return changes

    def restore(self, kind: str, place: str, value: bytes) -> None:
        """Take back what was stored."""
        if kind == "window":
            self.windows[int(place)] = json.loads(value)
        else:
            self.alarms[place] = Raised.decode(value)
            self._sort()

    @property
    def newest_windows(self) -> list[tuple[int, dict[str, Any]]]:
        """Windows with their ends, the newest first."""
        return sorted(self.windows.items(), reverse=True)

    def _sort(self) -> None:
        in_order = sorted(self.alarms.values(), key=lambda one: (one.alarm.until.ToMicroseconds(), one.id))
        self.alarms = {one.id: one for one in in_order}

    def _window_key(self, end: int) -> str:
        return f"window/{self.model}/{end}"

    def _alarm_key(self, identity: str) -> str:
        return f"alarm/{self.model}/{identity}"
