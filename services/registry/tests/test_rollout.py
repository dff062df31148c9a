"""The rollout of a version: its table of transitions and the routes of its states."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_contracts.release import Bandit, Release, Shadow, Step, Strategy
from tidemill_registry.domain.rollout import (
    Phase,
    PlannedStage,
    State,
    Trigger,
    changes_route,
    route_of,
    stages_of,
    transition,
)
from tidemill_registry.domain.routes import RoutedVersion, RouteState
from tidemill_runtime.errors import Conflict

RELEASE = Release(
    shadow=Shadow(fraction=0.4),
    steps=(Step(share=0.1), Step(share=0.5)),
    ab=Step(share=0.3),
    bandit=Bandit(min_share=0.05, max_share=0.6),
)
STRATEGIES: tuple[Strategy, ...] = ("direct", "shadow", "canary", "ab", "bandit")
STRATEGY_IN: dict[Phase, Strategy] = {
    Phase.PENDING: "canary",
    Phase.SHADOW: "shadow",
    Phase.CANARY: "canary",
    Phase.AB: "ab",
    Phase.BANDIT: "bandit",
    Phase.PROMOTED: "canary",
    Phase.ROLLED_BACK: "canary",
    Phase.INCONCLUSIVE: "canary",
    Phase.SUPERSEDED: "canary",
}
BEFORE = {
    Phase.PENDING: State(Phase.PENDING, -1, 0.0),
    Phase.SHADOW: State(Phase.SHADOW, 0, 0.0),
    Phase.CANARY: State(Phase.CANARY, 0, 0.1),
    Phase.AB: State(Phase.AB, 0, 0.3),
    Phase.BANDIT: State(Phase.BANDIT, 0, 0.05),
    Phase.PROMOTED: State(Phase.PROMOTED, 1, 1.0),
    Phase.ROLLED_BACK: State(Phase.ROLLED_BACK, 1, 0.0),
    Phase.INCONCLUSIVE: State(Phase.INCONCLUSIVE, 1, 0.0),
    Phase.SUPERSEDED: State(Phase.SUPERSEDED, 1, 0.0),
}
TRIGGERS = "start advance shift promote roll_back give_up supersede hold resume abort"
TABLE = """
pending      free  first  -     -     promoted -           -            superseded held     not-held rolled_back
pending      held  -      -     -     promoted -           -            superseded held-yet freed    rolled_back
shadow       free  -      next  -     promoted rolled_back inconclusive superseded held     not-held rolled_back
shadow       held  -      -     -     promoted rolled_back -            superseded held-yet freed    rolled_back
canary       free  -      next  -     promoted rolled_back inconclusive superseded held     not-held rolled_back
canary       held  -      -     -     promoted rolled_back -            superseded held-yet freed    rolled_back
ab           free  -      last  -     promoted rolled_back inconclusive superseded held     not-held rolled_back
ab           held  -      -     -     promoted rolled_back -            superseded held-yet freed    rolled_back
bandit       free  -      last  share promoted rolled_back inconclusive superseded held     not-held rolled_back
bandit       held  -      -     -     promoted rolled_back -            superseded held-yet freed    rolled_back
promoted     free  -      -     -     -        -           -            -          -        -        -
promoted     held  -      -     -     -        -           -            -          -        -        -
rolled_back  free  -      -     -     -        -           -            -          -        -        -
rolled_back  held  -      -     -     -        -           -            -          -        -        -
inconclusive free  -      -     -     -        -           -            -          -        -        -
inconclusive held  -      -     -     -        -           -            -          -        -        -
superseded   free  -      -     -     -        -           -            -          -        -        -
superseded   held  -      -     -     -        -           -            -          -        -        -
"""
"""What a trigger, by column, does to a rollout that is in a phase and held or free, by row. `-`: it is refused."""
NEXT = {Phase.SHADOW: State(Phase.CANARY, 1, 0.1), Phase.CANARY: State(Phase.CANARY, 1, 0.5)}
AFTER: dict[str, Callable[[State], State]] = {
    "first": lambda _: State(Phase.CANARY, 0, 0.1),
    "next": lambda before: NEXT[before.phase],
    "share": lambda before: replace(before, share=0.25),
    "held": lambda before: replace(before, held=True),
    "freed": lambda before: replace(before, held=False),
    "promoted": lambda before: State(Phase.PROMOTED, before.stage, 1.0),
    "rolled_back": lambda before: State(Phase.ROLLED_BACK, before.stage, 0.0),
    "inconclusive": lambda before: State(Phase.INCONCLUSIVE, before.stage, 0.0),
    "superseded": lambda before: State(Phase.SUPERSEDED, before.stage, 0.0),
}
REFUSED = {
    "last": "the rollout has no further stage; promote it",
    "held-yet": "the rollout is held already",
    "not-held": "the rollout is not held",
}
ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [
    (State(before.phase, before.stage, before.share, held == "held"), Trigger(trigger), result)
    for phase, held, *results in ROWS
    for before in [BEFORE[Phase(phase)]]
    for trigger, result in zip(TRIGGERS.split(), results, strict=True)
]
CHAMPION, CANDIDATE, FALLBACK = (RoutedVersion(version, f"{version:064x}") for version in (4, 5, 3))
SERVED = RouteState(7, CHAMPION, FALLBACK, "promoted before")


def stages(strategy: Strategy) -> tuple[PlannedStage, ...]:
    return stages_of(RELEASE, strategy)


def called(cell: tuple[State, Trigger, str]) -> str:
    state, trigger, _ = cell
    return f"{'held-' if state.held else ''}{state.phase}-{trigger}"


def test_the_table_has_every_phase_held_and_free_and_every_trigger():
    assert {(state.phase, state.held, trigger) for state, trigger, _ in CELLS} == {
        (phase, held, trigger) for phase in Phase for held in (True, False) for trigger in Trigger
    }
    assert len(CELLS) == len(Phase) * 2 * len(Trigger)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[2] in AFTER], ids=called)
def test_what_is_allowed_leads_to_the_state_of_the_table(cell: tuple[State, Trigger, str]):
    before, trigger, result = cell

    assert transition(before, trigger, stages(STRATEGY_IN[before.phase]), 0.25) == AFTER[result](before)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[2] in AFTER], ids=called)
def test_traffic_moves_unless_a_rollout_is_held_or_freed_or_ends_before_it_began(cell: tuple[State, Trigger, str]):
    before, trigger, result = cell
    after = transition(before, trigger, stages(STRATEGY_IN[before.phase]), 0.25)
    never_began = before.phase is Phase.PENDING and result in ("rolled_back", "superseded")

    assert changes_route(before, after) is not (result in ("held", "freed") or never_began)


def test_a_share_that_stays_as_it_is_moves_no_traffic():
    before = BEFORE[Phase.BANDIT]

    assert not changes_route(before, transition(before, Trigger.SHIFT, stages("bandit"), before.share))


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[2] == "-"], ids=called)
def test_what_is_not_allowed_is_refused_by_phase_and_trigger(cell: tuple[State, Trigger, str]):
    before, trigger, _ = cell
    phase, deed = before.phase.replace("_", " "), trigger.replace("_", " ")

    with pytest.raises(Conflict, match=rf"^a rollout that is (held )?{phase} cannot {deed}$"):
        transition(before, trigger, stages(STRATEGY_IN[before.phase]), 0.25)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[2] in REFUSED], ids=called)
def test_what_would_change_nothing_is_refused_and_says_what_is_so(cell: tuple[State, Trigger, str]):
    before, trigger, result = cell

    with pytest.raises(Conflict, match=f"^{REFUSED[result]}$"):
        transition(before, trigger, stages(STRATEGY_IN[before.phase]), 0.25)


def test_a_refusal_says_that_the_rollout_is_held_where_that_is_why():
    canary = replace(BEFORE[Phase.CANARY], held=True)

    with pytest.raises(Conflict, match=r"^a rollout that is held canary cannot advance$"):
        transition(canary, Trigger.ADVANCE, stages("canary"))
    with pytest.raises(Conflict, match=r"^a rollout that is canary cannot start$"):
        transition(canary, Trigger.START, stages("canary"))


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("direct", []),
        ("shadow", [(Phase.SHADOW, 0.0, 0.4), (Phase.CANARY, 0.1, 0.0), (Phase.CANARY, 0.5, 0.0)]),
        ("canary", [(Phase.CANARY, 0.1, 0.0), (Phase.CANARY, 0.5, 0.0)]),
        ("ab", [(Phase.AB, 0.3, 0.0)]),
        ("bandit", [(Phase.BANDIT, 0.05, 0.0)]),
    ],
)
def test_a_strategy_goes_through_its_stages(strategy: Strategy, expected: list[tuple[Phase, float, float]]):
    planned = stages(strategy)

    assert [(stage.phase, stage.share, stage.fraction) for stage in planned] == expected
    parts = {Phase.SHADOW: (RELEASE.shadow,), Phase.AB: (RELEASE.ab,), Phase.BANDIT: (RELEASE.bandit,)}
    assert all(stage.waits in parts.get(stage.phase, RELEASE.steps) for stage in planned)


def test_a_shadow_without_steps_is_all_there_is():
    alone = stages_of(Release(strategy="shadow", steps=()), "shadow")

    assert [stage.phase for stage in alone] == [Phase.SHADOW]
    with pytest.raises(Conflict, match="no further stage; promote it"):
        transition(State(Phase.SHADOW, 0), Trigger.ADVANCE, alone)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_rollout_advances_beyond_its_last_stage(strategy: Strategy):
    state, trigger = State(), Trigger.START
    for _ in stages(strategy):
        state, trigger = transition(state, trigger, stages(strategy)), Trigger.ADVANCE

    assert state.stage == len(stages(strategy)) - 1
    with pytest.raises(Conflict, match="no further stage; promote it"):
        transition(state, trigger, stages(strategy))


@pytest.mark.parametrize(
    ("asked", "given_share"), [(-1.0, 0.05), (0.0, 0.05), (0.05, 0.05), (0.3, 0.3), (0.6, 0.6), (1.0, 0.6)]
)
def test_a_bandit_shifts_within_its_bounds(asked: float, given_share: float):
    shifted = transition(BEFORE[Phase.BANDIT], Trigger.SHIFT, stages("bandit"), asked)

    assert shifted == replace(BEFORE[Phase.BANDIT], share=given_share)


@given(st.floats(allow_nan=False), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_no_shift_leaves_the_bounds_of_the_bandit(asked: float, one: float, other: float):
    low, high = sorted((one, other))
    bandit = stages_of(Release(bandit=Bandit(min_share=low, max_share=high)), "bandit")

    share = transition(transition(State(), Trigger.START, bandit), Trigger.SHIFT, bandit, asked).share

    assert low <= share <= high
    assert share == asked or asked < low or asked > high


def test_a_promoted_candidate_serves_alone_and_the_champion_is_kept_loaded():
    promoted = State(Phase.PROMOTED, 1, 1.0)

    assert route_of(promoted, stages("canary"), CANDIDATE, SERVED, "better") == RouteState(
        8, CANDIDATE, CHAMPION, "better"
    )


@pytest.mark.parametrize(
    ("strategy", "state", "share", "fraction"),
    [
        ("shadow", BEFORE[Phase.SHADOW], 0.0, 0.4),
        ("shadow", State(Phase.CANARY, 2, 0.5), 0.5, 0.0),
        ("canary", BEFORE[Phase.CANARY], 0.1, 0.0),
        ("ab", BEFORE[Phase.AB], 0.3, 0.0),
        ("bandit", State(Phase.BANDIT, 0, 0.42), 0.42, 0.0),
    ],
)
@pytest.mark.parametrize("held", [True, False])
def test_a_running_candidate_gets_its_share_or_watches_and_being_held_changes_nothing(
    strategy: Strategy, state: State, share: float, fraction: float, held: bool
):
    route = route_of(replace(state, held=held), stages(strategy), CANDIDATE, SERVED, "why")

    assert route == RouteState(8, CHAMPION, FALLBACK, "why", CANDIDATE, share, fraction)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.ROLLED_BACK, Phase.INCONCLUSIVE, Phase.SUPERSEDED])
def test_the_champion_serves_alone_while_nothing_runs(phase: Phase):
    during = replace(SERVED, candidate=CANDIDATE, share=0.5)

    assert route_of(BEFORE[phase], stages("canary"), CANDIDATE, during, "over") == RouteState(
        8, CHAMPION, FALLBACK, "over"
    )


ONWARD = (Trigger.START, Trigger.ADVANCE, Trigger.SHIFT, Trigger.HOLD, Trigger.RESUME)
"""What ends no rollout: it is tried more often, so that walks are long."""
TRIED = st.lists(st.tuples(st.sampled_from((*Trigger, *ONWARD * 4)), st.floats(-1, 2)), max_size=25)
WALKS = st.tuples(st.sampled_from(STRATEGIES), TRIED)


def walk(strategy: Strategy, tried: list[tuple[Trigger, float]]) -> list[tuple[State, RouteState]]:
    """The states and routes that a rollout goes through; what is refused leaves both as they were."""
    passed = [(State(), SERVED)]
    for trigger, share in tried:
        state, route = passed[-1]
        try:
            state = transition(state, trigger, stages(strategy), share)
        except Conflict:
            continue
        passed.append((state, route_of(state, stages(strategy), CANDIDATE, route, trigger)))
    return passed


@given(WALKS)
def test_the_champion_serves_until_the_candidate_is_promoted_and_is_its_fallback_then(
    made: tuple[Strategy, list[tuple[Trigger, float]]],
):
    for state, route in walk(*made):
        promoted = state.phase is Phase.PROMOTED
        assert (route.champion, route.fallback) == ((CANDIDATE, CHAMPION) if promoted else (CHAMPION, FALLBACK))


@given(WALKS)
def test_only_a_phase_with_traffic_gives_the_candidate_any(made: tuple[Strategy, list[tuple[Trigger, float]]]):
    for state, route in walk(*made):
        answers = state.phase in (Phase.CANARY, Phase.AB, Phase.BANDIT)
        assert (0 < route.share < 1) if answers else route.share == 0
        assert (0 < route.fraction <= 1) if state.phase is Phase.SHADOW else route.fraction == 0
        assert (route.candidate == CANDIDATE) is (answers or state.phase is Phase.SHADOW)


@given(WALKS)
def test_every_accepted_trigger_makes_one_epoch(made: tuple[Strategy, list[tuple[Trigger, float]]]):
    epochs = [route.epoch for _, route in walk(*made)]

    assert epochs == list(range(SERVED.epoch, SERVED.epoch + len(epochs)))


@given(WALKS)
def test_from_everywhere_but_an_end_there_is_a_way_back(made: tuple[Strategy, list[tuple[Trigger, float]]]):
    for state, route in walk(*made):
        if state.phase.is_end:
            continue
        aborted = transition(state, Trigger.ABORT, stages(made[0]))
        assert aborted.phase is Phase.ROLLED_BACK
        back = route_of(aborted, stages(made[0]), CANDIDATE, route, "abort")
        assert back == RouteState(route.epoch + 1, CHAMPION, FALLBACK, "abort")


@given(WALKS)
def test_an_end_is_final_and_no_candidate_is_left_in_its_route(made: tuple[Strategy, list[tuple[Trigger, float]]]):
    passed = walk(*made)
    ends = [place for place, (state, _) in enumerate(passed) if state.phase.is_end]

    assert ends in ([], [len(passed) - 1])
    state, route = passed[-1]
    if state.phase.is_end:
        assert (route.candidate, route.share, route.fraction, state.held) == (None, 0.0, 0.0, False)
        for trigger in Trigger:
            with pytest.raises(Conflict):
                transition(state, trigger, stages(made[0]))
