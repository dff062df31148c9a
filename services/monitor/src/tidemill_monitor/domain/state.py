"""What is remembered of a model between two windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tidemill_stats.decision import DecisionState, restart
from tidemill_stats.errors import InvalidInput

from tidemill_monitor.domain.windows import Window

Stage = Literal["inputs", "performance"]
STAGES: tuple[Stage, ...] = ("inputs", "performance")
COMPARED_WINDOWS = 32


@dataclass(frozen=True)
class ModelState:
    """What is remembered of a model; times in microseconds of event time.

    `version`: the one that answers (0: none yet), whose first window starts at `since` and whose first windows, as many
    as count for skew, end at `first_until`. `windows`: the closed ones that
    are still needed, the oldest first. `until`: by stage the end of the last window judged. `decisions`: by monitor,
    and by `<monitor>/<slice>`. `detector`: what the online detector knows, empty without one.
    """

    version: int = 0
    since: int = 0
    first_until: int = 0
    windows: tuple[Window, ...] = ()
    until: Mapping[Stage, int] = field(default_factory=dict)
    decisions: Mapping[str, DecisionState] = field(default_factory=dict)
    detector: bytes = b""

    @property
    def next_start(self) -> int | None:
        """Where the next window starts; None before the first."""
        return self.windows[-1].end if self.windows else None

    def decision(self, name: str) -> DecisionState:
        """What is remembered of a monitor, or of a monitor and slice."""
        return self.decisions.get(name, DecisionState())

    def with_decision(self, name: str, decision: DecisionState) -> "ModelState":
        return replace(self, decisions={**self.decisions, name: decision})

    def waits(self, stage: Stage, window: Window) -> bool:
        """Whether a stage has yet to judge a window."""
        return stage not in self.until or window.start >= self.until[stage]

    def judged(self, stage: Stage, window: Window) -> "ModelState":
        return replace(self, until={**self.until, stage: window.end})

    def with_windows(self, closed: list[Window]) -> "ModelState":
        return replace(self, windows=(*self.windows, *closed)) if closed else self

    def without_old(self) -> "ModelState":
        """The state without windows that no comparison will ask for."""
        waiting = [i for i, one in enumerate(self.windows) if any(self.waits(stage, one) for stage in STAGES)]
        first = min(waiting, default=len(self.windows))
        kept = self.windows[max(0, first - COMPARED_WINDOWS) :]
        return replace(self, windows=kept) if len(kept) < len(self.windows) else self

    def taken_over(self, version: int, window: Window) -> "ModelState":
        """The state when another version answers from `window` on: runs start again, cooldown and budget go on."""
        fresh = {
            name: restart(decision)
            for name, decision in self.decisions.items()
            if "/" not in name or decision.last_alarm is not None
        }
        return replace(self, version=version, since=window.start, first_until=window.end, decisions=fresh, detector=b"")

    def with_first(self, window: Window, count: int) -> "ModelState":
        """The state that knows `window` to be one of the version's first `count`, if it is."""
        windows = self.versions_windows(window)
        first = bool(windows) and windows[0].start == self.since and len(windows) <= count
        return replace(self, first_until=max(self.first_until, window.end)) if first else self

    def versions_windows(self, window: Window) -> tuple[Window, ...]:
        """The version's windows up to and with `window`, the oldest first."""
        return tuple(one for one in self.windows if self.since <= one.start <= window.start)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; `from_dict` reads them back."""
        return {
            "version": self.version,
            "since": self.since,
            "first_until": self.first_until,
            "windows": [[one.start, one.end, one.rows] for one in self.windows],
            "until": dict(self.until),
            "decisions": {name: decision.to_dict() for name, decision in self.decisions.items()},
            "detector": self.detector.hex(),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "ModelState":
        """The state that `to_dict` wrote. Raises InvalidInput for anything else."""
        try:
            return ModelState(
                version=int(values["version"]),
                since=int(values["since"]),
                first_until=int(values["first_until"]),
                windows=tuple(Window(*map(int, one)) for one in values["windows"]),
                until={stage: int(values["until"][stage]) for stage in STAGES if stage in values["until"]},
                decisions={name: DecisionState.from_dict(one) for name, one in values["decisions"].items()},
                detector=bytes.fromhex(values["detector"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"not a model's state: {error!r}") from error
