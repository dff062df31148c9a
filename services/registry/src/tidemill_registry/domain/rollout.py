"""The rollout of a version: one table of transitions, and the route of every state. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from tidemill_contracts.release import Bandit, Release, Shadow, Stage, Step, Strategy
from tidemill_runtime.errors import Conflict

from tidemill_registry.domain.routes import RoutedVersion, RouteState


class Phase(StrEnum):
    """Where a rollout stands. The last four are ends."""

    PENDING = "pending"
    SHADOW = "shadow"
    CANARY = "canary"
    AB = "ab"
    BANDIT = "bandit"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    INCONCLUSIVE = "inconclusive"
    SUPERSEDED = "superseded"

    @property
    def is_end(self) -> bool:
        return self in ENDS

    @property
    def is_running(self) -> bool:
        """Whether the candidate sees traffic."""
        return self in RUNNING


class Trigger(StrEnum):
    """What moves a rollout."""

    START = "start"
    ADVANCE = "advance"
    SHIFT = "shift"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    GIVE_UP = "give_up"
    SUPERSEDE = "supersede"
    HOLD = "hold"
    RESUME = "resume"
    ABORT = "abort"


ENDS: Final = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK, Phase.INCONCLUSIVE, Phase.SUPERSEDED})
RUNNING: Final = frozenset({Phase.SHADOW, Phase.CANARY, Phase.AB, Phase.BANDIT})
_NEXT: Final = None
_SAME: Final = None
_WAITING: Final[dict[Trigger, Phase | None]] = {
    Trigger.START: _NEXT,
    Trigger.PROMOTE: Phase.PROMOTED,
    Trigger.SUPERSEDE: Phase.SUPERSEDED,
    Trigger.HOLD: _SAME,
    Trigger.RESUME: _SAME,
    Trigger.ABORT: Phase.ROLLED_BACK,
}
_UNDER_WAY: Final[dict[Trigger, Phase | None]] = {
    Trigger.ADVANCE: _NEXT,
    Trigger.PROMOTE: Phase.PROMOTED,
    Trigger.ROLL_BACK: Phase.ROLLED_BACK,
    Trigger.GIVE_UP: Phase.INCONCLUSIVE,
    Trigger.SUPERSEDE: Phase.SUPERSEDED,
    Trigger.HOLD: _SAME,
    Trigger.RESUME: _SAME,
    Trigger.ABORT: Phase.ROLLED_BACK,
}
TRANSITIONS: Final[dict[Phase, dict[Trigger, Phase | None]]] = {
    Phase.PENDING: _WAITING,
    Phase.SHADOW: _UNDER_WAY,
    Phase.CANARY: _UNDER_WAY,
    Phase.AB: _UNDER_WAY,
    Phase.BANDIT: {**_UNDER_WAY, Trigger.SHIFT: _SAME},
    **{end: {} for end in ENDS},
}
"""From each phase, by trigger: the phase that follows; None: the next stage's for START and ADVANCE, else the same."""
_ONWARD: Final = frozenset({Trigger.START, Trigger.ADVANCE, Trigger.SHIFT, Trigger.GIVE_UP})


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a rollout. `share`: of the traffic that the candidate answers; `fraction`: that it only watches."""

    phase: Phase
    share: float
    fraction: float
    waits: Stage


@dataclass(frozen=True)
class State:
    """Where a rollout stands. `stage`: place of the planned stage, -1 before the first; `share`: the candidate's."""

    phase: Phase = Phase.PENDING
    stage: int = -1
    share: float = 0.0
    held: bool = False


def stages_of(release: Release, strategy: Strategy) -> tuple[PlannedStage, ...]:
    """What a rollout goes through before the candidate is promoted; nothing for `direct`."""
    canary = tuple(_step(Phase.CANARY, step) for step in release.steps)
    match strategy:
        case "shadow":
            return (_shadow(release.shadow), *canary)
        case "canary":
            return canary
        case "ab":
            return (_step(Phase.AB, release.ab),)
        case "bandit":
            return (_bandit(release.bandit),)
    return ()


def transition(state: State, trigger: Trigger, stages: tuple[PlannedStage, ...], share: float = 0.0) -> State:
    """The state after `trigger`; `share` is the candidate's new one, for SHIFT. Raises Conflict if it is not allowed.

    A rollout that is held goes on by hand alone: it may be resumed, promoted, aborted, superseded and rolled back.
    """
    allowed = TRANSITIONS[state.phase]
    if trigger not in allowed or (state.held and trigger in _ONWARD):
        held = "held " if state.held and trigger in allowed else ""
        raise Conflict(f"a rollout that is {held}{state.phase.replace('_', ' ')} cannot {trigger.replace('_', ' ')}")
    if trigger in (Trigger.HOLD, Trigger.RESUME):
        if state.held is (trigger is Trigger.HOLD):
            raise Conflict(f"the rollout is {'held already' if state.held else 'not held'}")
        return replace(state, held=not state.held)
    if trigger is Trigger.SHIFT:
        waits = stages[state.stage].waits
        assert isinstance(waits, Bandit)
        return replace(state, share=min(max(share, waits.min_share), waits.max_share))
    if trigger in (Trigger.START, Trigger.ADVANCE):
        if state.stage + 1 >= len(stages):
            raise Conflict("the rollout has no further stage; promote it")
        following = stages[state.stage + 1]
        return State(following.phase, state.stage + 1, following.share)
    end = allowed[trigger]
    assert end is not None
    return State(end, state.stage, 1.0 if end is Phase.PROMOTED else 0.0)


def changes_route(before: State, after: State) -> bool:
    """Whether traffic moves: not when a rollout is held or resumed, nor when one ends that never began."""
    if (after.phase, after.stage, after.share) == (before.phase, before.stage, before.share):
        return False
    return before.phase.is_running or after.phase.is_running or after.phase is Phase.PROMOTED


def route_of(
    state: State,
    stages: tuple[PlannedStage, ...],
    candidate: RoutedVersion,
    current: RouteState,
    reason: str,
) -> RouteState:
    """The route of a state after `current`: its champion serves until the candidate is promoted, and is kept loaded
    then."""
    epoch = current.epoch + 1
    if state.phase is Phase.PROMOTED:
        return RouteState(epoch, candidate, current.champion, reason)
    if not state.phase.is_running:
        return RouteState(epoch, current.champion, current.fallback, reason)
    fraction = stages[state.stage].fraction
    return RouteState(epoch, current.champion, current.fallback, reason, candidate, state.share, fraction)


def _shadow(shadow: Shadow) -> PlannedStage:
    return PlannedStage(Phase.SHADOW, 0.0, shadow.fraction, shadow)


def _step(phase: Phase, step: Step) -> PlannedStage:
    return PlannedStage(phase, step.share, 0.0, step)


def _bandit(bandit: Bandit) -> PlannedStage:
    return PlannedStage(Phase.BANDIT, bandit.min_share, 0.0, bandit)
