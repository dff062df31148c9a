"""Rollouts that are driven by made-up evidence, minute by minute."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidemill_contracts.release import Metric, Release, Strategy
from tidemill_registry.domain.evidence import News
from tidemill_registry.domain.judging import Move, Plan, Progress
from tidemill_registry.domain.rollout import State, Trigger, stages_of, transition
from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.blocks import Block, Proportion

MINUTE = 60_000_000
Counts = tuple[int, int]


def ones(successes: int, rows: int) -> MeanEstimate:
    """`successes` ones among zeros."""
    return MeanEstimate(rows, float(successes), float(successes))


def seen(
    rows: Counts,
    *,
    errors: Counts = (0, 0),
    slow: Counts = (0, 0),
    labels: Mapping[str, Any] | None = None,
    **more: Any,
) -> News:
    """Rows of champion and candidate with so many errors and slow answers.

    `labels`: by metric, what is known of each arm: a count of ones among its rows, or the sums themselves.
    """
    blocks = {name: (_block(rows, known),) for name, known in (labels or {}).items()}
    labelled = max((block.candidate.count for (block,) in blocks.values()), default=0)
    return News(
        rates={"errors": _rate(errors, rows), "slow": _rate(slow, rows)},
        labels=blocks,
        predictions=rows[1],
        labelled=labelled,
        **more,
    )


def wrong(rows: Counts, *rates: float, **more: Any) -> News:
    """Labelled rows of both arms, of which a share by arm was answered wrong, rounded."""
    failures = tuple(round(rate * count) for rate, count in zip(rates, rows, strict=True))
    return seen(rows, labels={"error_rate": failures}, **more)


def _block(rows: Counts, known: Any) -> Block[MeanEstimate]:
    sides = (one if isinstance(one, MeanEstimate) else ones(one, count) for one, count in zip(known, rows, strict=True))
    return Block(*sides)


def _rate(hits: Counts, rows: Counts) -> Block[Proportion]:
    return Block(*(Proportion(hit, count) for hit, count in zip(hits, rows, strict=True)))


def planned(
    strategy: Strategy, *, metrics: Iterable[Metric] = (), label_wait: int = 0, **release: Any
) -> tuple[Plan, Strategy]:
    """The plan of a release that is decided by `metrics`: by the error rate if none are given."""
    by = tuple(metrics) or (Metric(metric="error_rate", delta=0.05),)
    declared = Release(strategy=strategy, metrics=by, **release)
    return Plan(declared, stages_of(declared, strategy), by, label_wait), strategy


@dataclass
class Rollout:
    """A rollout that has just started. `stored`: whether all it knows goes through JSON after every minute."""

    plan: Plan
    strategy: Strategy
    stored: bool = False
    frozen: bool = False
    state: State = field(default_factory=State)
    minutes: int = 0
    moves: list[Move] = field(default_factory=list)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = self.plan.start()
        self.make(Move(Trigger.START, "its turn"))
        self.moves.clear()

    def see(self, more: News, minutes: int = 1) -> Move | None:
        """What a look at the evidence of the next `minutes` leads to."""
        self.minutes += minutes
        self.progress = self.plan.observe(self.progress, more, self.minutes * MINUTE, self.state)
        if self.stored:
            self.plan = Plan.from_dict(json.loads(json.dumps(self.plan.to_dict())), self.strategy)
            self.progress = Progress.from_dict(json.loads(json.dumps(self.progress.to_dict())))
        move = self.plan.judge(self.state, self.progress, frozen=self.frozen)
        if move is not None:
            self.make(move)
        return move

    def until_it_moves(self, more: News, most: int = 500) -> Move:
        """What the same evidence, minute after minute, leads to at last."""
        for _ in range(most):
            if (move := self.see(more)) is not None:
                return move
        raise AssertionError(f"nothing happened in {most} minutes: {self.progress.decision.reason}")

    def until_it_ends(self, more: News, most: int = 500) -> list[Trigger]:
        """Everything that the same evidence, minute after minute, leads to."""
        while not self.state.phase.is_end:
            self.until_it_moves(more, most)
        return [move.trigger for move in self.moves]

    @property
    def awaited(self) -> list[str]:
        return self.plan.awaited(self.state, self.progress)

    def make(self, move: Move) -> None:
        """What the registry does of a move."""
        self.moves.append(move)
        self.state = transition(self.state, move.trigger, self.plan.stages, move.share)
        if move.trigger in (Trigger.START, Trigger.ADVANCE):
            self.progress = self.progress.next_stage()
        if move.trigger is Trigger.SHIFT:
            self.progress = self.progress.next_epoch()


def split(units: int, share: float, seed: int = 1) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Hashes of units, each given to the candidate with probability `share`."""
    source = random.Random(seed)
    arms: tuple[list[int], list[int]] = ([], [])
    for unit in _hashes(source, units):
        arms[source.random() < share].append(unit)
    return tuple(sorted(arms[0])), tuple(sorted(arms[1]))


def _hashes(source: random.Random, units: int) -> Iterator[int]:
    return (source.getrandbits(64) for _ in range(units))
