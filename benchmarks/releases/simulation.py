"""All releases: every candidate by every way, over the same rows."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

from benchmarks.releases.outcome import Outcome
from benchmarks.releases.rules import by_fixed_test, by_thresholds
from benchmarks.releases.strategies import STRATEGIES, by_strategy
from benchmarks.releases.traffic import Traffic
from benchmarks.releases.worlds import CANDIDATES, WORLDS, Quality, World

PROCESSES = 2
SELDOM = 5
OURS = {"canary": "canary", "ab": "A/B", "shadow": "shadow, then canary", "bandit": "bandit"}
THRESHOLDS, FIXED = "thresholds", "fixed size"
Way = Callable[[World, Traffic, Quality], Outcome]
WAYS: dict[str, Way] = {
    **{OURS[strategy]: partial(by_strategy, strategy) for strategy in STRATEGIES},
    THRESHOLDS: by_thresholds,
    FIXED: by_fixed_test,
}


class Release(NamedTuple):
    """One of them."""

    candidate: Quality
    way: str
    world: World
    outcome: Outcome


def releases(runs: int, seed: int) -> Iterator[Release]:
    """So many of each worse candidate by each way, over the worlds in turn; of others one for `SELDOM` of those."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for some in pool.map(partial(_run, seed), range(runs), chunksize=len(WORLDS)):
            yield from some


def _run(seed: int, run: int) -> list[Release]:
    turn, place = divmod(run, len(WORLDS))
    world = WORLDS[place]
    traffic = Traffic(world, (seed, run))
    return [
        Release(candidate, name, world, way(world, traffic, candidate))
        for candidate in CANDIDATES
        if candidate.is_worse or turn % SELDOM == 0
        for name, way in WAYS.items()
    ]
