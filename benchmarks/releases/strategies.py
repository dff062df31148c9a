"""A release by one of Tidemill's strategies, decided by the registry's own code."""

from itertools import count

import numpy as np
from tidemill_contracts.release import Metric, Release, Strategy
from tidemill_registry.domain.evidence import MOST_UNITS, News
from tidemill_registry.domain.judging import Plan, Progress
from tidemill_registry.domain.rollout import Phase, State, Trigger, stages_of, transition
from tidemill_stats.sequential.blocks import Block, Proportion

from benchmarks.releases.outcome import End, Outcome
from benchmarks.releases.traffic import Shown, Traffic, Trial
from benchmarks.releases.worlds import DELTA, Quality, World

STRATEGIES: tuple[Strategy, ...] = ("canary", "ab", "shadow", "bandit")
RELEASE = Release(metrics=(Metric(metric="error_rate", delta=DELTA),))
_HOUR = 3_600_000_000
_ENDS: dict[Phase, End] = {
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "rolled back",
    Phase.INCONCLUSIVE: "inconclusive",
}


def by_strategy(strategy: Strategy, world: World, traffic: Traffic, candidate: Quality) -> Outcome:
    """A release as the registry makes it: every pane is news, then there is one look."""
    wait = round(world.delay * world.pane * _HOUR)
    plan = Plan(RELEASE, stages_of(RELEASE, strategy), RELEASE.metrics, wait)
    state = transition(State(), Trigger.START, plan.stages)
    progress = plan.start().next_stage()
    trial, answered = Trial(traffic, candidate), 0
    for number in count(1):
        shadow = state.phase is Phase.SHADOW
        shown = trial.advance(state.share, shadow=shadow)
        answered += 0 if shadow else shown.candidate.predictions
        news = _news(shown, trial, progress, shadow=shadow)
        progress = plan.observe(progress, news, round(number * world.pane * _HOUR), state)
        move = plan.judge(state, progress, frozen=False)
        if move is None:
            continue
        state = transition(state, move.trigger, plan.stages, move.share)
        if state.phase.is_end:
            return Outcome(_ENDS[state.phase], number * world.pane, answered)
        progress = progress.next_epoch() if move.trigger is Trigger.SHIFT else progress.next_stage()
    raise AssertionError("a release ends")


def _news(shown: Shown, trial: Trial, progress: Progress, *, shadow: bool) -> News:
    champion, candidate = shown.champion, shown.candidate
    blocks = tuple(trial.labels())
    known = progress.units
    return News(
        rates={
            "errors": Block(
                Proportion(champion.failed, champion.predictions), Proportion(candidate.failed, candidate.predictions)
            ),
            "slow": Block(
                Proportion(champion.slow, champion.predictions), Proportion(candidate.slow, candidate.predictions)
            ),
        },
        labels={"error_rate": blocks} if blocks else {},
        units=((), ()) if shadow else (_units(champion.units, known[0]), _units(candidate.units, known[1])),
        predictions=candidate.predictions,
        labelled=sum(block.candidate.count for block in blocks),
        pairs=candidate.predictions if shadow else 0,
        agreements=shown.agreements,
    )


def _units(hashes: np.ndarray, kept: tuple[int, ...]) -> tuple[int, ...]:
    """The smallest, as the data plane tells them, less those that are larger than all kept and would be dropped."""
    if len(kept) >= MOST_UNITS:
        hashes = hashes[hashes < kept[-1]]
    return tuple(hashes.tolist())
