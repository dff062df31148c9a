"""A crash loses what was not stored, keeps any part of what was being stored, and repeats what was not committed."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill_monitor.domain.partition import Partition
from tidemill_stats import from_proto

DAY = 24 * 3600 * 1_000_000
START = 15_000 * DAY
NOW = START + 1000 * DAY
IDS = [f"p{number}" for number in range(12)]

batches = st.lists(st.lists(st.sampled_from(IDS), min_size=1, max_size=5, unique=True), min_size=1, max_size=6)
truths = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from([0.0, 1.0])), max_size=12)


class Run:
    """A partition between two topics, its changelog, and the offsets committed."""

    def __init__(self, make: Any, batches: list[Any], truths: list[Any]) -> None:
        self.make, self.topics = make, {"predictions": batches, "truths": truths}
        self.stored: dict[str, bytes] = {}
        self.committed = {"predictions": 0, "truths": 0}
        self.restart()

    def restart(self) -> None:
        self.partition = Partition(0, self.make.catalogue())
        self.partition.restore(self.stored.items())
        self.at = dict(self.committed)

    def read(self, topic: str) -> None:
        if self.at[topic] >= len(self.topics[topic]):
            return
        offset, item = self.at[topic], self.topics[topic][self.at[topic]]
        self.at[topic] += 1
        if topic == "predictions":
            times = [START + IDS.index(one) % 3 * DAY for one in item]
            batch = self.make.batch(item, times, seed=0)
            self.partition.add_predictions(batch, offset, NOW)
        else:
            self.partition.add_truth(self.make.truth(*item), offset, START)

    def store(self) -> None:
        for wave in self.partition.take_changes():
            self.keep(wave)

    def keep(self, changes: list[Any]) -> None:
        for key, value in changes:
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value

    def finish(self) -> Any:
        for topic in self.topics:
            while self.at[topic] < len(self.topics[topic]):
                self.read(topic)
        self.store()
        self.restart()
        return self.make.partials(self.partition)


def comparable(partials: Any) -> Any:
    """Counts and sums; which of a repeated prediction's batches came first is no part of it."""
    return {
        key: (
            one.predictions,
            one.labelled,
            {name: (sums.count, round(sums.sum, 9)) for name, sums in one.metrics.items()},
            list(one.score_positives),
            from_proto(one.inputs).rows,
        )
        for key, one in partials.items()
    }


@settings(max_examples=150, deadline=None)
@given(batches, truths, st.lists(st.sampled_from(["p", "t", "flush", "crash", "torn"]), max_size=40), st.integers())
def test_crashes_and_replays_change_nothing(
    make: Any, batches: list[Any], truths: list[Any], steps: list[str], seed: int
) -> None:
    dice = random.Random(seed)
    straight, crashing = Run(make, batches, truths), Run(make, batches, truths)
    for step in steps:
        match step:
            case "p":
                crashing.read("predictions")
            case "t":
                crashing.read("truths")
            case "flush":
                crashing.store()
                crashing.committed = dict(crashing.at)
            case "torn":
                torn(crashing, dice)
            case "crash":
                crashing.restart()
    assert comparable(crashing.finish()) == comparable(straight.finish())


def torn(run: Run, dice: random.Random) -> None:
    """Only a part of the first wave is stored, or all of it and a part of the second; nothing is committed."""
    first, second = run.partition.take_changes()
    kept = [change for change in first if dice.random() < 0.5]
    if len(kept) == len(first):
        kept += [change for change in second if dice.random() < 0.5]
    run.keep(kept)
    run.restart()
