"""The two usual ways to let a version in: thresholds at every interval, and one test of a fixed size."""

import math
from itertools import count
from statistics import NormalDist

from tidemill_stats.performance import MeanEstimate
from tidemill_stats.sequential.blocks import Block, Proportion

from benchmarks.releases.outcome import Outcome
from benchmarks.releases.traffic import Traffic, Trial, pooled
from benchmarks.releases.worlds import DELTA, ERROR_RATE, Quality, World

STEP_WEIGHT, MAX_WEIGHT, THRESHOLD = 10, 50, 5
MOST_FAILED, MOST_SLOW = 0.01, 0.01
INTERVAL = 2
"""Panes of one interval, 300 predictions at the first weight; as many as labels take if that is longer."""
LEVEL, POWER = 0.05, 0.8


def by_thresholds(world: World, traffic: Traffic, candidate: Quality) -> Outcome:
    """Flagger's analysis: the weight grows by a step each interval whose figures are within their thresholds; the
    candidate is promoted after the check at the last weight and rolled back at the fifth that failed.

    Source: https://docs.flagger.app/usage/deployment-strategies (canary release).
    """
    trial, answered = Trial(traffic, candidate), 0
    panes = max(INTERVAL, world.delay)
    weight, failed_checks = STEP_WEIGHT, 0
    for interval in count(1):
        shown, labels = [], MeanEstimate()
        for _ in range(panes):
            shown.append(trial.advance(weight / 100).candidate)
            labels += pooled(trial.labels()).candidate
        rows = sum(one.predictions for one in shown)
        answered += rows
        passed = (
            labels.count > 0
            and labels.mean <= ERROR_RATE + DELTA
            and sum(one.failed for one in shown) <= MOST_FAILED * rows
            and sum(one.slow for one in shown) <= MOST_SLOW * rows
        )
        hours = interval * panes * world.pane
        if passed and weight >= MAX_WEIGHT:
            return Outcome("promoted", hours, answered)
        weight, failed_checks = (weight + STEP_WEIGHT, failed_checks) if passed else (weight, failed_checks + 1)
        if failed_checks >= THRESHOLD:
            return Outcome("rolled back", hours, answered)
    raise AssertionError("a release ends")


def by_fixed_test(world: World, traffic: Traffic, candidate: Quality) -> Outcome:
    """Half the traffic each until both have the labels planned; promoted unless something is significantly worse."""
    trial, answered, planned = Trial(traffic, candidate), 0, planned_rows()
    errors, failed, slow = (Block(Proportion(), Proportion()) for _ in range(3))
    for number in count(1):
        shown = trial.advance(0.5)
        old, new = shown.champion, shown.candidate
        answered += new.predictions
        labels = pooled(trial.labels())
        errors += Block(_proportion(labels.champion), _proportion(labels.candidate))
        failed += Block(Proportion(old.failed, old.predictions), Proportion(new.failed, new.predictions))
        slow += Block(Proportion(old.slow, old.predictions), Proportion(new.slow, new.predictions))
        if min(errors.champion.rows, errors.candidate.rows) >= planned:
            worse = any(is_worse(one) for one in (errors, failed, slow))
            return Outcome("rolled back" if worse else "promoted", number * world.pane, answered)
    raise AssertionError("a release ends")


def planned_rows() -> int:
    """Rows of each version for which a two-sided test finds a difference of `DELTA` with the power asked."""
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)
    rates = (ERROR_RATE, ERROR_RATE + DELTA)
    return math.ceil(quantiles**2 * sum(rate * (1 - rate) for rate in rates) / DELTA**2)


def is_worse(both: Block[Proportion]) -> bool:
    """Whether the two-sided z-test of proportions says so of the candidate."""
    old, new = both.champion, both.candidate
    rate = (old.successes + new.successes) / (old.rows + new.rows)
    error = math.sqrt(rate * (1 - rate) * (1 / old.rows + 1 / new.rows))
    gap = new.successes / new.rows - old.successes / old.rows
    return gap > NormalDist().inv_cdf(1 - LEVEL / 2) * error


def _proportion(sums: MeanEstimate) -> Proportion:
    return Proportion(round(sums.sum), sums.count)
