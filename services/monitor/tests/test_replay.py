"""A crash loses what was not stored, keeps any part of what was being stored, and repeats what was not committed."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill.v1.monitoring_pb2 import WindowPartial
from tidemill_monitor.domain.partition import Partition

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY
IDS = [f"p{number}" for number in range(36)]

batches = st.lists(st.integers(1, 6), min_size=4, max_size=12)
truths = st.lists(st.tuples(st.sampled_from(range(36)), st.sampled_from([0.0, 1.0])), max_size=30)
steps = st.lists(st.sampled_from(["p", "p", "p", "t", "t", "flush", "crash", "torn", "torn"]), min_size=10, max_size=60)


def time_of(prediction_id: str) -> int:
    """One prediction every two days, each second one an hour before its predecessor."""
    number = IDS.index(prediction_id)
    return START + (number - number % 2) * 2 * DAY + (1 - number % 2) * HOUR


class Run:
    """A partition between its two topics, its changelog, the offsets committed, and what the second stage has kept."""

    def __init__(self, make: Any, sizes: list[int], truths: list[tuple[int, float]]) -> None:
        rows = iter(IDS)
        chunks = [[row for row, _ in zip(rows, range(size), strict=False)] for size in sizes]
        self.topics: dict[str, list[Any]] = {
            "predictions": [chunk for chunk in chunks if chunk],
            "truths": [(IDS[row], label) for row, label in sorted(truths, key=lambda one: one[0])],
        }
        self.make = make
        self.stored: dict[str, bytes] = {}
        self.told: dict[tuple[int, int], WindowPartial] = {}
        self.committed = {"predictions": 0, "truths": 0}
        self.restart()

    def restart(self) -> None:
        self.partition = Partition(0, self.make.catalogue())
        self.partition.restore(self.stored.items())
        self.at = dict(self.committed)

    def read(self, topic: str) -> None:
        offset = self.at[topic]
        if offset >= len(self.topics[topic]):
            return
        item = self.topics[topic][offset]
        self.at[topic] += 1
        if topic == "predictions":
            self.partition.add_predictions(self.make.batch(item, [time_of(one) for one in item]), offset, NOW)
        else:
            observed = time_of(item[0]) + DAY
            self.partition.add_truth(self.make.truth(*item, observed=observed), offset, observed)

    def flush(self, dice: random.Random | None = None) -> None:
        """Store, tell, commit; with dice the process dies while it stores."""
        truths_read = self.at["truths"] == len(self.topics["truths"])
        self.partition.expire(truths_read)
        partials = list(self.partition.take_partials(truths_read))
        waves = self.partition.take_changes()
        if dice is not None:
            whole = dice.randint(0, len(waves))
            torn = [change for change in (waves[whole] if whole < len(waves) else []) if dice.random() < 0.5]
            self.keep([*waves[:whole], torn])
            self.restart()
            return
        self.keep(waves)
        for one in partials:
            known = self.told.get((one.version, one.start))
            if known is None or one.offset >= known.offset:
                self.told[one.version, one.start] = one
        self.committed = dict(self.at)

    def keep(self, waves: list[Any]) -> None:
        for key, value in (change for wave in waves for change in wave):
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value

    def finish(self) -> Any:
        while any(self.at[topic] < len(self.topics[topic]) for topic in self.topics):
            for topic in self.topics:
                self.read(topic)
        self.flush()
        self.restart()
        self.flush()
        return {
            key: (
                one.predictions,
                one.labelled,
                {name: (sums.count, round(sums.sum, 9)) for name, sums in one.metrics.items()},
                list(one.score_positives),
                one.inputs.rows,
            )
            for key, one in self.told.items()
        }


@settings(max_examples=300)
@given(batches, truths, steps, st.integers())
def test_crashes_and_replays_change_nothing(
    make: Any, sizes: list[int], truths: list[tuple[int, float]], steps: list[str], seed: int
) -> None:
    dice = random.Random(seed)
    straight, crashing = Run(make, sizes, truths), Run(make, sizes, truths)
    for step in steps:
        match step:
            case "p":
                crashing.read("predictions")
            case "t":
                crashing.read("truths")
            case "flush":
                crashing.flush()
            case "torn":
                crashing.flush(dice)
            case "crash":
                crashing.restart()
    assert crashing.finish() == straight.finish()
