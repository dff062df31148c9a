"""From evidence to what happens next in a rollout."""

import json
import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from releases import MINUTE, Counts, Rollout, ones, planned, seen, split, wrong
from tidemill_contracts.pipeline import Pipeline
from tidemill_contracts.release import Bandit, Metric, Shadow, Step
from tidemill_registry.domain.evidence import News
from tidemill_registry.domain.judging import Plan, Progress, probability_of_better
from tidemill_registry.domain.rollout import Phase, State, Trigger
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.blocks import Block

STEPS = (
    Step(share=0.1, observations=100, min_time="1m", max_time="1d"),
    Step(share=0.5, observations=200, min_time="1m", max_time="1d"),
)
ROWS = (100, 100)


def canary(*metrics: Metric, **release: Any) -> Rollout:
    return Rollout(*planned("canary", metrics=metrics, **{"steps": STEPS, **release}))


def one_step(*metrics: Metric, **release: Any) -> Rollout:
    """At its only step, half of the traffic, where little is waited for."""
    step = {"share": 0.5, "observations": 1, "min_time": "0s", "max_time": "1d"} | release.pop("step", {})
    return canary(*metrics, steps=(Step.model_validate(step),), **release)


def shadow(agreement: float | None, **release: Any) -> Rollout:
    watch = Shadow(observations=100, min_time="1m", max_time="1d", agreement=agreement)
    return Rollout(*planned("shadow", shadow=watch, steps=STEPS, **release))


def bandit(*metrics: Metric, **bounds: Any) -> Rollout:
    waits = {"observations": 10**6, "min_time": "0s", "max_time": "10d", "every": "10m"} | bounds
    return Rollout(*planned("bandit", metrics=metrics, bandit=Bandit.model_validate(waits)))


def test_a_better_candidate_is_promoted_after_its_steps():
    rollout = canary()

    assert rollout.until_it_ends(wrong(ROWS, 0.3, 0.1)) == [Trigger.ADVANCE, Trigger.PROMOTE]
    assert rollout.moves[-1].reason.startswith("better: error_rate differs by -0.2, between -")
    assert rollout.progress.predictions - rollout.progress.stage_predictions >= 200


def test_every_step_is_gone_through_and_says_how_much_was_seen_and_where_it_goes():
    steps = tuple(Step(share=share, observations=150, min_time="1m") for share in (0.05, 0.2, 0.5))
    rollout = canary(steps=steps)

    assert rollout.until_it_ends(wrong(ROWS, 0.3, 0.1)) == [Trigger.ADVANCE, Trigger.ADVANCE, Trigger.PROMOTE]
    assert [move.reason for move in rollout.moves[:2]] == [
        "nothing is worse after 200 labelled predictions of the candidate in 1m; on to 20% of the traffic",
        "nothing is worse after 200 labelled predictions of the candidate in 2m; on to 50% of the traffic",
    ]


def test_a_candidate_that_is_as_good_is_promoted_as_equivalent():
    rollout = canary()

    assert rollout.until_it_ends(wrong(ROWS, 0.2, 0.2)) == [Trigger.ADVANCE, Trigger.PROMOTE]
    assert rollout.moves[-1].reason.startswith("equivalent: error_rate differs by +0, between -0.05 and +0.05 ")


def test_a_candidate_that_is_worse_by_less_than_delta_is_promoted_as_equivalent():
    rollout = canary()

    assert rollout.until_it_ends(wrong(ROWS, 0.2, 0.22)) == [Trigger.ADVANCE, Trigger.PROMOTE]
    assert rollout.moves[-1].reason.startswith("equivalent: error_rate differs by +0.02, ")


def test_a_candidate_that_is_worse_by_more_than_delta_is_rolled_back_with_the_metric_and_its_numbers():
    rollout = canary()

    assert rollout.until_it_ends(wrong(ROWS, 0.2, 0.35))[-1] is Trigger.ROLL_BACK
    assert re.fullmatch(
        r"worse: error_rate differs by \+0\.15, between \+0\.\d+ and \+0\.\d+ with confidence 0\.99, "
        r"from (\d+) rows of the candidate and \1 of the champion, a loss of 0\.05 is tolerated",
        rollout.moves[-1].reason,
    )


def test_of_several_metrics_the_one_that_is_worse_rolls_back():
    rollout = canary(Metric(metric="error_rate", delta=0.05), Metric(metric="log_loss"))
    losses = {"error_rate": (30, 10), "log_loss": (MeanEstimate(100, 30.0, 20.0), MeanEstimate(100, 90.0, 95.0))}

    assert rollout.until_it_ends(seen(ROWS, labels=losses))[-1] is Trigger.ROLL_BACK
    assert rollout.moves[-1].reason.startswith("worse: log_loss differs by +0.6, ")


def test_a_loss_of_any_size_is_compared_by_its_mean():
    rollout = canary(Metric(metric="squared_error", delta=5.0))
    losses = {"squared_error": (MeanEstimate(100, 1000.0, 12_000.0), MeanEstimate(100, 700.0, 6_000.0))}

    assert rollout.until_it_ends(seen(ROWS, labels=losses)) == [Trigger.ADVANCE, Trigger.PROMOTE]
    assert rollout.moves[-1].reason.startswith("better: squared_error differs by -3, ")


@pytest.mark.parametrize("guardrail", ["errors", "slow"])
def test_a_broken_guardrail_rolls_back_within_few_predictions_and_without_labels(guardrail: str):
    rollout = canary()

    move = rollout.until_it_moves(seen((18, 2), **{guardrail: (0, 2)}))

    assert move.trigger is Trigger.ROLL_BACK
    assert move.reason.startswith(f"worse: {guardrail} differs by +1, ")
    assert rollout.progress.predictions <= 10
    assert rollout.progress.labelled == 0


def test_errors_that_both_arms_have_roll_nothing_back():
    rollout = canary()

    assert rollout.until_it_ends(wrong(ROWS, 0.3, 0.1, errors=(20, 20), slow=(30, 30)))[-1] is Trigger.PROMOTE


def test_a_guardrail_need_not_be_shown_to_be_kept():
    rollout = canary()
    better = seen(ROWS, labels={"error_rate": (30, 10)})

    assert rollout.until_it_ends(replace(better, rates={}))[-1] is Trigger.PROMOTE
    assert rollout.progress.tests["errors"].bounds().candidate_rows == 0


def test_an_outcome_may_be_better_when_it_is_higher():
    conversions = Metric(metric="outcome", better="higher", delta=0.05)

    more, fewer = canary(conversions), canary(conversions)

    assert more.until_it_ends(seen(ROWS, labels={"outcome": (20, 45)})) == [Trigger.ADVANCE, Trigger.PROMOTE]
    assert more.moves[-1].reason.startswith("better: outcome differs by +0.25, ")
    assert fewer.until_it_ends(seen(ROWS, labels={"outcome": (45, 20)}))[-1] is Trigger.ROLL_BACK
    assert fewer.moves[-1].reason.startswith("worse: outcome differs by -0.25, ")


def test_an_outcome_is_better_when_it_is_lower_unless_said_otherwise():
    rollout = canary(Metric(metric="outcome", delta=0.05))

    assert rollout.until_it_ends(seen(ROWS, labels={"outcome": (20, 45)}))[-1] is Trigger.ROLL_BACK


def test_traffic_that_is_split_otherwise_than_asked_rolls_back_and_says_so():
    rollout = one_step()

    move = rollout.see(wrong(ROWS, 0.2, 0.2, units=split(2_000, 0.05)))

    assert move is not None
    assert move.trigger is Trigger.ROLL_BACK
    assert re.fullmatch(
        r"traffic is not split as asked: \d+ of \d{4} callers or requests went to the candidate, "
        r"[4-6]\.\d% where 50\.0% should",
        move.reason,
    )


def test_units_that_all_went_to_the_champion_are_a_broken_split():
    rollout = canary()

    move = rollout.see(seen((1000, 0), units=split(1_000, 0.0)))

    assert move is not None
    assert move.reason.startswith("traffic is not split as asked: 0 of 1000 callers")


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_many_units_that_are_split_as_asked_are_no_broken_split(share: float):
    rollout = one_step(step={"share": share, "observations": 10**6})

    for minute in range(50):
        assert rollout.see(seen(ROWS, units=split(2_000, share, seed=minute))) is None


def test_a_unit_that_comes_again_counts_once():
    rollout = one_step(step={"observations": 10**6})
    units = split(40, 0.5)

    for _ in range(100):
        assert rollout.see(seen(ROWS, units=units)) is None
    assert rollout.progress.units == units


def test_each_stage_is_split_by_its_own_share():
    rollout = canary(steps=tuple(replace_step(step, observations=1) for step in STEPS))

    first = rollout.until_it_moves(wrong((90, 10), 0.2, 0.2, units=split(2_000, 0.1)))
    assert first.trigger is Trigger.ADVANCE
    assert rollout.progress.units == ((), ())
    assert rollout.see(wrong(ROWS, 0.2, 0.2, units=split(2_000, 0.5))) is None
    broken = rollout.see(wrong(ROWS, 0.2, 0.2, units=split(20_000, 0.1, seed=2)))
    assert broken is not None
    assert "where 50.0% should" in broken.reason


def replace_step(step: Step, **changes: Any) -> Step:
    return step.model_copy(update=changes)


def test_answers_that_agree_too_rarely_roll_a_shadow_back():
    rollout = shadow(agreement=0.9)

    move = rollout.until_it_moves(seen(ROWS, pairs=100, agreements=80))

    assert move.trigger is Trigger.ROLL_BACK
    assert re.fullmatch(
        r"answers agree in 80\.0% of \d+ pairs, surely in less than the 90\.0% asked \(at most 8\d\.\d%\)", move.reason
    )


@pytest.mark.parametrize(("agreement", "agreements"), [(0.9, 91), (0.9, 100), (None, 0)])
def test_answers_that_agree_often_enough_or_need_not_let_a_shadow_go_on(agreement: float | None, agreements: int):
    rollout = shadow(agreement)
    watched = wrong(ROWS, 0.2, 0.2, pairs=100, agreements=agreements)

    assert rollout.until_it_moves(watched).trigger is Trigger.ADVANCE
    assert rollout.state == State(Phase.CANARY, 1, 0.1)


def test_agreement_is_asked_of_a_shadow_alone():
    rollout = shadow(agreement=0.9)
    rollout.until_it_moves(wrong(ROWS, 0.2, 0.2, pairs=10, agreements=9))

    disagreeing = [rollout.see(wrong((90, 10), 0.2, 0.2, pairs=100)) for _ in range(5)]

    assert rollout.state.phase is Phase.CANARY
    assert disagreeing == [None] * 5


def test_a_shadow_without_steps_is_promoted_by_what_it_shows():
    rollout = Rollout(*planned("shadow", shadow=Shadow(observations=100, min_time="1m"), steps=()))

    assert rollout.until_it_ends(wrong(ROWS, 0.3, 0.1)) == [Trigger.PROMOTE]


def test_nothing_happens_before_the_least_number_of_observations():
    rollout = canary()
    few = wrong((90, 9), 0.3, 0.1)

    assert [rollout.see(few, minutes=5) for _ in range(11)] == [None] * 11
    move = rollout.see(few)
    assert move is not None
    assert move.trigger is Trigger.ADVANCE


def test_nothing_happens_before_the_least_time():
    rollout = canary(steps=(replace_step(STEPS[0], min_time=STEPS[0].max_time / 24), STEPS[1]))
    many = wrong(ROWS, 0.3, 0.1)

    assert [rollout.see(many) for _ in range(60)] == [None] * 60
    move = rollout.see(many)
    assert move is not None
    assert move.trigger is Trigger.ADVANCE


def test_a_stage_counts_its_own_time_and_observations():
    rollout = canary(steps=tuple(replace_step(step, min_time=STEPS[0].max_time / 96) for step in STEPS))
    rollout.until_it_moves(wrong((900, 900), 0.3, 0.1))

    assert rollout.awaited == ["200 more labelled predictions of the candidate", "15m of event time"]
    assert [rollout.see(wrong((9, 1), 0.3, 0.1)) for _ in range(100)] == [None] * 100


def test_the_time_of_a_stage_begins_when_it_is_known_how_far_everything_was_read():
    plan, _ = planned("canary", steps=STEPS)
    state = State(Phase.CANARY, 0, 0.1)

    unknown = plan.observe(plan.start(), wrong(ROWS, 0.3, 0.1), 0, state)
    known = plan.observe(unknown, wrong(ROWS, 0.3, 0.1), 10**15, state)

    assert plan.judge(state, unknown, frozen=False) is None
    assert plan.judge(state, known, frozen=False) is None
    later = plan.observe(known, wrong(ROWS, 0.3, 0.1), 10**15 + MINUTE, state)
    move = plan.judge(state, later, frozen=False)
    assert move is not None
    assert move.trigger is Trigger.ADVANCE


def test_a_pane_that_is_told_late_turns_no_clock_back():
    plan, _ = planned("canary", steps=STEPS)
    state = State(Phase.CANARY, 0, 0.1)

    now = plan.observe(plan.start(), seen(ROWS), 10 * MINUTE, state)
    later = plan.observe(now, seen(ROWS), 3 * MINUTE, state)

    assert (later.now, later.since) == (10 * MINUTE, 10 * MINUTE)


@pytest.mark.parametrize("stage", [0, 1])
def test_where_labels_decide_a_stage_lasts_until_its_first_ones_can_have_come(stage: int):
    rollout = canary(label_wait=30 * MINUTE)
    many = wrong(ROWS, 0.3, 0.1)
    for _ in range(stage):
        rollout.until_it_moves(many)
    begun = rollout.progress.since or MINUTE

    rollout.until_it_moves(many)

    assert rollout.minutes * MINUTE - begun == 30 * MINUTE


def test_where_no_label_decides_none_is_waited_for():
    slow = Metric(metric="slow", delta=0.1)
    rollout = canary(slow, label_wait=30 * MINUTE, guardrails=())

    assert rollout.until_it_ends(seen(ROWS, slow=(50, 10))) == [Trigger.ADVANCE, Trigger.PROMOTE]
    assert rollout.minutes < 30
    assert "predictions" in rollout.moves[0].reason
    assert "labelled" not in rollout.moves[0].reason


@pytest.mark.parametrize(
    ("undecided", "trigger", "phase"),
    [
        ("roll_back", Trigger.GIVE_UP, Phase.INCONCLUSIVE),
        ("promote", Trigger.PROMOTE, Phase.PROMOTED),
        ("hold", Trigger.HOLD, Phase.CANARY),
    ],
)
def test_a_rollout_that_stays_undecided_becomes_what_was_declared(undecided: str, trigger: Trigger, phase: Phase):
    rollout = one_step(undecided=undecided, step={"max_time": "1h", "observations": 100})

    move = rollout.until_it_moves(wrong((2, 2), 0.5, 0.5))

    assert rollout.minutes == 61
    assert move.trigger is trigger
    assert rollout.state.phase is phase
    assert rollout.state.held is (undecided == "hold")
    assert move.reason.startswith("after 1h still waiting for a verdict; undecided: 1 of 1 metrics wait for evidence: ")


def test_an_undecided_stage_before_the_last_is_let_through_to_the_next_alone():
    rollout = canary(steps=(replace_step(STEPS[0], max_time=STEPS[0].max_time / 24), STEPS[1]), undecided="promote")

    assert rollout.until_it_moves(wrong((9, 1), 0.0, 0.0)).trigger is Trigger.ADVANCE
    assert rollout.state == State(Phase.CANARY, 1, 0.5)


def test_an_undecided_candidate_that_looks_worse_is_not_promoted():
    rollout = one_step(undecided="promote", step={"max_time": "20m", "observations": 100})

    move = rollout.until_it_moves(seen((5, 5), labels={"error_rate": (2, 3)}))

    assert rollout.minutes == 21
    assert move.trigger is Trigger.GIVE_UP


def test_a_stage_that_is_seen_too_rarely_says_what_it_waited_for():
    rollout = canary(steps=(replace_step(STEPS[0], max_time=STEPS[0].max_time / 24), STEPS[1]))

    move = rollout.until_it_moves(wrong((9, 1), 0.0, 0.0))

    assert move.trigger is Trigger.GIVE_UP
    assert move.reason.startswith(
        "after 1h still waiting for 39 more labelled predictions of the candidate; undecided: "
    )


def test_a_rollout_is_not_given_up_before_its_labels_can_have_come():
    rollout = one_step(step={"max_time": "10m"}, label_wait=60 * MINUTE)

    rollout.until_it_moves(seen(ROWS))

    assert rollout.minutes == 61


@pytest.mark.parametrize("how", ["held", "frozen"])
def test_a_rollout_that_is_held_or_frozen_does_not_go_on(how: str):
    rollout = stopped(canary(undecided="promote"), how)

    assert [rollout.see(wrong(ROWS, 0.3, 0.1), minutes=60) for _ in range(50)] == [None] * 50
    rollout.frozen, rollout.state = False, replace(rollout.state, held=False)
    assert rollout.see(wrong(ROWS, 0.3, 0.1)) is not None


@pytest.mark.parametrize("how", ["held", "frozen"])
def test_a_rollout_that_is_held_or_frozen_is_rolled_back_all_the_same(how: str):
    assert stopped(canary(), how).until_it_moves(wrong(ROWS, 0.1, 0.5)).trigger is Trigger.ROLL_BACK
    assert stopped(canary(), how).until_it_moves(seen(ROWS, errors=(0, 50))).trigger is Trigger.ROLL_BACK
    split_wrongly = seen(ROWS, units=split(2_000, 0.9))
    assert stopped(canary(), how).until_it_moves(split_wrongly).trigger is Trigger.ROLL_BACK
    disagreeing = seen(ROWS, pairs=100, agreements=10)
    assert stopped(shadow(0.9), how).until_it_moves(disagreeing).trigger is Trigger.ROLL_BACK


def stopped(rollout: Rollout, how: str) -> Rollout:
    rollout.frozen = how == "frozen"
    rollout.state = replace(rollout.state, held=how == "held")
    return rollout


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PROMOTED, Phase.ROLLED_BACK, Phase.SUPERSEDED])
def test_a_rollout_that_does_not_run_makes_no_move_and_waits_for_nothing(phase: Phase):
    rollout = canary()
    rollout.until_it_ends(wrong(ROWS, 0.1, 0.5))

    assert rollout.plan.judge(State(phase), rollout.progress, frozen=False) is None
    assert rollout.plan.awaited(State(phase), rollout.progress) == []


def test_what_looks_worse_is_not_given_more_traffic_until_it_looks_well_again():
    rollout = canary()
    for _ in range(3):
        assert rollout.see(wrong((100, 50), 0.2, 0.28)) is None

    assert rollout.awaited == ["certainty about error_rate, which looks worse"]
    assert rollout.until_it_moves(wrong((100, 50), 0.2, 0.2)).trigger is Trigger.ADVANCE


def test_a_guardrail_that_looks_worse_is_not_given_more_traffic():
    rollout = canary()
    rollout.see(wrong(ROWS, 0.3, 0.1))

    assert rollout.see(wrong(ROWS, 0.3, 0.1, errors=(0, 1))) is None
    assert rollout.awaited == ["certainty about errors, which looks worse"]


def test_a_candidate_that_breaks_after_it_was_found_to_be_as_good_is_rolled_back():
    rollout = one_step(step={"observations": 10**6})
    for _ in range(20):
        assert rollout.see(wrong(ROWS, 0.2, 0.2)) is None
    assert rollout.awaited == ["998000 more labelled predictions of the candidate"]

    assert rollout.until_it_moves(wrong(ROWS, 0.2, 0.9)).trigger is Trigger.ROLL_BACK


ANY = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 1), st.integers(0, 3))


@settings(deadline=None, max_examples=40)
@given(st.lists(ANY, min_size=1, max_size=20))
@example([(20, 5, 0, 2)] * 2 + [(20, 5, 1, 2)] + [(20, 5, 0, 2)] * 20)
def test_a_rollout_goes_on_when_it_waits_for_nothing_and_only_then(stream: list[tuple[int, int, int, int]]):
    rollout = canary(steps=tuple(replace_step(step, observations=60) for step in STEPS))

    for *failures, errors, minutes in stream:
        rollout.frozen = True
        rollout.see(seen((30, 30), errors=(0, errors), labels={"error_rate": failures}), minutes)
        if rollout.state.phase.is_end:
            return
        move = rollout.plan.judge(rollout.state, rollout.progress, frozen=False)
        assert (move is None) is bool(rollout.awaited)
        if move is not None:
            rollout.make(move)
        if rollout.state.phase.is_end:
            return


def test_what_was_found_worse_stays_so():
    rollout = stopped(canary(), "held")
    rollout.see(seen(ROWS, errors=(0, 50)))
    worse = rollout.plan.observe(rollout.progress, seen(ROWS, errors=(0, 50)), 5 * MINUTE, rollout.state)
    later = worse
    for minute in range(6, 60):
        later = rollout.plan.observe(later, wrong((1000, 1000), 0.5, 0.1), minute * MINUTE, rollout.state)

    first, last = (rollout.plan.judge(rollout.state, one, frozen=False) for one in (worse, later))

    assert first is not None
    assert first.reason.startswith("worse: errors differs by +0.5, ")
    assert last == first


def minutes_to_shift(rollout: Rollout, more: News, most: int = 60) -> list[tuple[int, float]]:
    """Every share that the same evidence leads to, with the minute of event time at which it did."""
    found = []
    for _ in range(most):
        move = rollout.see(more)
        if move is not None and move.trigger is Trigger.SHIFT:
            found.append((rollout.minutes, rollout.state.share))
    return found


def test_a_bandit_gives_a_better_candidate_the_most_it_may_get():
    rollout = bandit(min_share=0.1, max_share=0.6)

    shifts = minutes_to_shift(rollout, wrong(ROWS, 0.3, 0.1))

    assert [share for _, share in shifts] == [0.6]
    assert rollout.moves[0].reason == "the candidate is the better one by error_rate with probability 1.00"


def test_a_bandit_whose_candidate_gets_worse_falls_to_the_least_share():
    rollout = bandit(Metric(metric="error_rate", delta=0.4), min_share=0.1, max_share=0.6)

    rising = minutes_to_shift(rollout, wrong(ROWS, 0.3, 0.2), 20)
    falling = minutes_to_shift(rollout, wrong((1000, 1000), 0.3, 0.5), 20)

    assert [share for _, share in rising] == [0.6]
    assert falling[-1][1] == 0.1


@pytest.mark.parametrize("seed", range(5))
def test_the_shares_of_a_bandit_follow_the_evidence_within_its_bounds(seed: int):
    rollout = bandit(Metric(metric="error_rate", delta=0.4), min_share=0.1, max_share=0.7)
    source = np.random.default_rng(seed)
    told = Block(MeanEstimate(), MeanEstimate())
    before = rollout.state.share

    for _ in range(300):
        failures = source.binomial(10, 0.3, size=2)
        told = told + Block(ones(int(failures[0]), 10), ones(int(failures[1]), 10))
        move = rollout.see(seen((10, 10), labels={"error_rate": failures.tolist()}))
        better = probability_of_better(told, higher=False)
        if move is not None and move.trigger is Trigger.SHIFT:
            assert better is not None
            assert rollout.state.share == min(max(better, 0.1), 0.7)
            assert abs(rollout.state.share - before) >= 0.05
            before = rollout.state.share

    assert rollout.state.phase is Phase.BANDIT
    assert len(rollout.moves) >= 2


def test_a_bandit_shifts_not_more_often_than_declared():
    rollout = bandit(Metric(metric="error_rate", delta=0.4), min_share=0.01, max_share=0.99, every="7m")
    shifts = []
    for minute in range(400):
        losing = minute % 40 < 20
        shifts += minutes_to_shift(rollout, wrong((20, 20), 0.3, 0.5 if losing else 0.1), 1)

    times = [minute for minute, _ in shifts]
    assert len(times) >= 5
    assert times[0] >= 8
    assert min(later - earlier for earlier, later in pairwise(times)) >= 7


def test_a_bandit_makes_no_small_changes():
    rollout = bandit(min_share=0.47, max_share=0.6)

    assert minutes_to_shift(rollout, wrong((20, 20), 0.3, 0.3), 200) == []


def test_a_bandit_shifts_by_an_outcome_that_is_better_when_higher():
    rollout = bandit(Metric(metric="outcome", better="higher", delta=0.05), min_share=0.1, max_share=0.6)

    assert [share for _, share in minutes_to_shift(rollout, seen(ROWS, labels={"outcome": (20, 45)}))] == [0.6]


def test_a_bandit_is_promoted_by_its_verdict():
    rollout = bandit(observations=500, min_time="1m")

    assert rollout.until_it_ends(wrong(ROWS, 0.3, 0.1))[-1] is Trigger.PROMOTE


def test_a_bandit_tests_the_split_by_the_share_it_has():
    rollout = bandit(min_share=0.1, max_share=0.6)
    while rollout.see(wrong(ROWS, 0.3, 0.1, units=split(2_000, 0.1))) is None:
        assert rollout.minutes < 60

    assert rollout.state.share == 0.6
    assert rollout.progress.units == ((), ())
    assert rollout.see(wrong(ROWS, 0.3, 0.1, units=split(2_000, 0.6))) is None
    broken = rollout.until_it_moves(wrong(ROWS, 0.3, 0.1, units=split(20_000, 0.1, seed=2)), 1)
    assert broken.trigger is Trigger.ROLL_BACK
    assert "where 60.0% should" in broken.reason


@pytest.mark.parametrize("strategy", ["canary", "ab"])
def test_only_a_bandit_shifts(strategy: Any):
    rollout = Rollout(
        *planned(
            strategy, ab=replace_step(STEPS[0], observations=10**6), steps=(replace_step(STEPS[0], observations=10**6),)
        )
    )

    assert minutes_to_shift(rollout, wrong(ROWS, 0.3, 0.1), 100) == []


@pytest.mark.parametrize(
    ("champion", "candidate", "higher", "expected"),
    [
        (ones(0, 0), ones(0, 0), False, None),
        (ones(0, 1), ones(5, 10), False, None),
        (ones(5, 10), ones(0, 1), False, None),
        (ones(0, 10), ones(0, 10), False, 0.5),
        (ones(0, 10), ones(10, 10), False, 0.0),
        (ones(0, 10), ones(10, 10), True, 1.0),
        (ones(10, 10), ones(0, 10), False, 1.0),
        (ones(10, 10), ones(0, 10), True, 0.0),
        (ones(5, 10), ones(5, 10), False, 0.5),
        (ones(0, 2), ones(1, 2), False, 0.5 * math.erfc(1 / math.sqrt(2))),
        (ones(0, 2), ones(1, 2), True, 1 - 0.5 * math.erfc(1 / math.sqrt(2))),
    ],
)
def test_the_probability_of_the_better_mean(
    champion: MeanEstimate, candidate: MeanEstimate, higher: bool, expected: float | None
):
    assert probability_of_better(Block(champion, candidate), higher=higher) == (
        expected if expected is None else pytest.approx(expected)
    )


COUNTS = st.integers(2, 10**6).flatmap(lambda rows: st.tuples(st.integers(0, rows), st.just(rows)))


@given(COUNTS, COUNTS)
def test_the_better_one_is_one_of_the_two(champion: Counts, candidate: Counts):
    both = Block(ones(*champion), ones(*candidate))
    swapped = Block(both.candidate, both.champion)

    better = probability_of_better(both, higher=False)

    assert better is not None
    assert 0 <= better <= 1
    assert probability_of_better(both, higher=True) == pytest.approx(1 - better)
    assert probability_of_better(swapped, higher=False) == pytest.approx(1 - better)


def test_what_is_awaited_is_named():
    rollout = one_step(step={"observations": 300, "min_time": "10m"}, label_wait=0)

    assert rollout.awaited == [
        "evidence of the monitor",
        "300 more labelled predictions of the candidate",
        "10m of event time",
        "a verdict",
    ]
    rollout.see(wrong(ROWS, 0.2, 0.2), minutes=5)
    assert rollout.awaited == ["200 more labelled predictions of the candidate", "10m of event time", "a verdict"]
    rollout.see(wrong((200, 200), 0.2, 0.2), minutes=4)
    assert rollout.awaited == ["6m of event time", "a verdict"]
    rollout.see(wrong(ROWS, 0.2, 0.2), minutes=6)
    assert rollout.awaited == ["a verdict"]


def test_a_stage_before_the_last_awaits_no_verdict():
    rollout = canary()

    rollout.see(wrong((10, 10), 0.2, 0.2))

    assert rollout.awaited == ["90 more labelled predictions of the candidate", "1m of event time"]


def test_where_labels_decide_the_time_for_them_is_awaited():
    rollout = canary(label_wait=120 * MINUTE)

    rollout.see(wrong(ROWS, 0.2, 0.2))

    assert rollout.awaited == ["2h of event time"]


def test_where_no_label_decides_any_prediction_is_awaited():
    rollout = canary(Metric(metric="slow"), guardrails=())

    rollout.see(seen((10, 10)))

    assert rollout.awaited == ["90 more predictions of the candidate", "1m of event time"]


LOSSES = st.tuples(st.integers(0, 50), st.floats(0, 5)).map(
    lambda drawn: MeanEstimate(drawn[0], drawn[0] * drawn[1], drawn[0] * drawn[1] ** 2 * 1.5)
)
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=20).map(lambda some: tuple(sorted(set(some))))


@st.composite
def pieces(draw: st.DrawFn) -> News:
    rows = (draw(st.integers(0, 60)), draw(st.integers(0, 60)))
    known = (draw(st.integers(0, rows[0])), draw(st.integers(0, rows[1])))
    pairs = draw(st.integers(0, 50))
    return seen(
        rows,
        errors=(draw(st.integers(0, rows[0])), 0),
        slow=(0, draw(st.integers(0, rows[1] // 4))),
        labels={"error_rate": known, "log_loss": (draw(LOSSES), draw(LOSSES))},
        units=(draw(HASHES), draw(HASHES)),
        pairs=pairs,
        agreements=draw(st.integers(0, pairs)),
        latency=Block(draw(LOSSES), draw(LOSSES)),
        distance=draw(LOSSES),
    )


@pytest.mark.parametrize("strategy", ["shadow", "canary", "ab", "bandit"])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(pieces(), st.integers(0, 20)), max_size=15))
def test_what_is_stored_and_read_back_decides_as_what_was_kept(strategy: Any, stream: list[tuple[News, int]]):
    declared = planned(
        strategy,
        metrics=(Metric(metric="error_rate", delta=0.2), Metric(metric="log_loss", delta=0.5)),
        shadow=Shadow(observations=20, min_time="1m", agreement=0.5),
        steps=tuple(replace_step(step, observations=20) for step in STEPS),
        ab=replace_step(STEPS[0], max_time=STEPS[0].max_time / 12),
        bandit=Bandit(min_share=0.2, every="1m"),
        freeze=({"days": ["fri"], "start": "16:00", "end": "07:30", "timezone": "Europe/Berlin"},),
        undecided="promote",
        label_wait=MINUTE,
    )
    kept, stored = Rollout(*declared), Rollout(*declared, stored=True)

    for more, minutes in stream:
        if kept.state.phase.is_end:
            break
        assert kept.see(more, minutes) == stored.see(more, minutes)
        assert kept.progress == stored.progress
        assert kept.state == stored.state
        assert kept.awaited == stored.awaited
    assert kept.plan == stored.plan


@pytest.mark.parametrize("rates", [(0.3, 0.1), (0.2, 0.2), (0.2, 0.35)])
def test_a_whole_release_goes_the_same_way_when_it_is_stored_after_every_minute(rates: tuple[float, float]):
    kept, stored = canary(), canary()
    stored.stored = True

    for rollout in (kept, stored):
        rollout.until_it_ends(wrong(ROWS, *rates))

    assert kept.moves == stored.moves
    assert kept.progress == stored.progress


def test_a_start_and_a_plan_are_what_was_written():
    plan, strategy = planned("shadow", metrics=[Metric(metric="outcome", better="higher", delta=2)], label_wait=7)

    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict())), strategy) == plan
    assert Progress.from_dict(json.loads(json.dumps(plan.start().to_dict()))) == plan.start()


def test_what_is_shown_of_the_evidence_is_what_was_seen_and_fit_for_json():
    rollout = canary()
    nothing = rollout.plan.evidence(rollout.progress), rollout.plan.comparison(rollout.progress)
    latency = Block(MeanEstimate(100, 10.0, 2.0), MeanEstimate(100, 30.0, 10.0))
    rollout.see(wrong(ROWS, 0.3, 0.1, units=((1, 2, 3), (4,)), pairs=4, agreements=3, latency=latency))

    shown, compared = rollout.plan.evidence(rollout.progress), rollout.plan.comparison(rollout.progress)

    json.dumps((nothing, shown, compared), allow_nan=False)
    assert [(one["metric"], one["guardrail"]) for one in shown] == [
        ("error_rate", False),
        ("errors", True),
        ("slow", True),
    ]
    assert (shown[0]["champion"], shown[0]["candidate"], shown[0]["effect"]) == pytest.approx((0.3, 0.1, -0.2))
    assert (shown[0]["champion_rows"], shown[0]["candidate_rows"], shown[0]["delta"]) == (100, 100, 0.05)
    assert shown[0]["lower"] < -0.2 < shown[0]["upper"]
    assert nothing[0][0]["champion"] is None
    assert nothing[1]["agreement"] is None
    assert compared == {
        "units": {"champion": 3, "candidate": 1},
        "pairs": 4,
        "agreement": 0.75,
        "distance": None,
        "seconds": {"champion": 0.1, "candidate": 0.3},
    }


def test_looking_again_changes_nothing():
    rollout = stopped(canary(), "frozen")
    rollout.see(wrong(ROWS, 0.3, 0.1), minutes=3)
    rollout.see(wrong(ROWS, 0.3, 0.1), minutes=3)
    before = rollout.progress

    looks = [rollout.plan.judge(rollout.state, rollout.progress, frozen=False) for _ in range(3)]

    assert looks[0] is not None
    assert looks == [looks[0]] * 3
    assert rollout.progress == before


def declared_pipeline(**parts: Any) -> Pipeline:
    return Pipeline.model_validate(
        {
            "apiVersion": "tidemill/v1",
            "name": "tides",
            "model": "tide",
            "task": "classification",
            "sources": {"gauge": {"event_time": "at", "fields": {"at": {"type": "timestamp"}, "x": {"type": "float"}}}},
            "primary": "gauge",
            "label": {"name": "high", "delay": "2d", "classes": 2},
            "features": ["x"],
            "seed": 1,
            "training_code": "training.py",
            "candidates": [{"name": "one", "algorithm": "one"}],
            "metrics": ["log_loss"],
            "primary_metric": "log_loss",
            **parts,
        }
    )


def names(metrics: tuple[Metric, ...]) -> list[str]:
    return [one.metric for one in metrics]


def test_a_pipeline_that_says_nothing_is_decided_by_the_loss_of_its_task():
    plan = Plan.of(declared_pipeline(), "canary")

    assert names(plan.metrics) == ["log_loss"]
    assert names(plan.compared) == ["log_loss", "errors", "slow"]
    assert plan.label_wait == 2 * 24 * 60 * MINUTE
    assert [stage.share for stage in plan.stages] == [0.05, 0.2, 0.5]


def test_a_pipeline_is_decided_by_the_loss_that_it_monitors():
    plan = Plan.of(declared_pipeline(monitors={"performance": {"metric": "error_rate"}}), "ab")

    assert names(plan.metrics) == ["error_rate"]


def test_a_pipeline_is_decided_by_the_metrics_it_declares_and_waits_as_it_says():
    release = {"metrics": [{"metric": "outcome", "better": "higher", "delta": 0.1}], "label_wait": "3h"}
    plan = Plan.of(declared_pipeline(release=release), "ab")

    assert names(plan.compared) == ["outcome", "errors", "slow"]
    assert plan.label_wait == 180 * MINUTE


def test_a_guardrail_that_decides_anyway_is_none():
    guarded = {"guardrails": [{"metric": "log_loss", "delta": 1}, {"metric": "errors"}]}
    rollout = Rollout(Plan.of(declared_pipeline(release=guarded), "ab"), "ab", stored=True)

    assert names(rollout.plan.compared) == ["log_loss", "errors"]
    assert rollout.until_it_moves(seen(ROWS, errors=(0, 50))).trigger is Trigger.ROLL_BACK


def test_the_alpha_of_a_release_is_split_over_its_tests():
    rollout = canary(Metric(metric="error_rate"), Metric(metric="log_loss"), alpha=0.06)
    tests = rollout.progress.tests

    assert {name: test.alpha for name, test in tests.items()} == pytest.approx(
        dict.fromkeys(("error_rate", "log_loss", "errors", "slow"), 0.01)
    )
    assert rollout.progress.agreement.alpha == pytest.approx(0.01)


RUNS, ALPHA, DELTA = 150, 0.2, 0.1


def promotions(champion: float, candidate: float, seed: int) -> int:
    """Of `RUNS` releases, looked at every minute and at most 40 times, how many end in a promotion."""
    source = np.random.default_rng(seed)
    promoted = 0
    for _ in range(RUNS):
        rollout = one_step(Metric(metric="error_rate", delta=DELTA), alpha=ALPHA, guardrails=())
        for failures in source.binomial(50, (champion, candidate), size=(40, 2)).tolist():
            rollout.see(seen((50, 50), labels={"error_rate": failures}))
            if rollout.state.phase.is_end:
                break
        promoted += rollout.state.phase is Phase.PROMOTED
    return promoted


def test_a_candidate_that_loses_a_bit_more_than_delta_is_rarely_promoted_however_often_it_is_looked_at():
    assert promotions(0.2, 0.2 + 1.02 * DELTA, seed=5) < ALPHA * RUNS


def test_a_candidate_that_loses_nothing_is_mostly_promoted():
    assert promotions(0.2, 0.2, seed=6) > 0.8 * RUNS


def test_a_candidate_that_is_as_good_is_rarely_rolled_back():
    source = np.random.default_rng(7)
    rolled_back = 0
    for _ in range(60):
        rollout = stopped(canary(alpha=ALPHA), "frozen")
        for errors, slow, failures in source.binomial(50, [[0.02], [0.1], [0.2]], size=(15, 3, 2)).tolist():
            if not rollout.state.phase.is_end:
                rollout.see(seen((50, 50), errors=errors, slow=slow, labels={"error_rate": failures}))
        rolled_back += rollout.state.phase is Phase.ROLLED_BACK

    assert rolled_back < ALPHA * 60
