"""A crash loses what was not stored, keeps any part of what was being stored, and repeats what was not committed."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidemill.v1.monitoring_pb2 import PanePartial
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, ARM_ROLE_PRIMARY
from tidemill_monitor.domain.partition import Partition

HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
START = 15_000 * DAY
NOW = START + 1000 * DAY
IDS = [f"p{number}" for number in range(36)]

batches = st.lists(st.integers(1, 6), min_size=4, max_size=12)
truths = st.lists(st.tuples(st.sampled_from([0, 1, 2, 3, 20]), st.sampled_from([0.0, 1.0])), max_size=30)
steps = st.lists(st.sampled_from(["p", "p", "p", "t", "t", "flush", "crash", "torn", "torn"]), min_size=10, max_size=60)


def time_of(prediction_id: str) -> int:
    """One prediction every two days, each second one an hour before its predecessor."""
    number = IDS.index(prediction_id)
    return START + (number - number % 2) * 2 * DAY + (1 - number % 2) * HOUR


def observed_at(truth: tuple[str, float]) -> int:
    return time_of(truth[0]) + DAY


class Run:
    """A partition between its two topics, its changelog, the offsets committed, and what the second stage has kept."""

    def __init__(self, make: Any, sizes: list[int], truths: list[tuple[int, float]], *, at_once: bool) -> None:
        rows = iter(IDS)
        chunks = [[row for row, _ in zip(rows, range(size), strict=False)] for size in sizes]
        self.topics: dict[str, list[Any]] = {
            "predictions": [(chunk, mirror) for chunk in chunks if chunk for mirror in (False, True)],
            "truths": [(IDS[row], label) for row, label in sorted(truths, key=lambda one: one[0])],
        }
        self.make = make
        self.at_once = at_once
        self.stored: dict[str, bytes] = {}
        self.told: dict[tuple[int, int], PanePartial] = {}
        self.committed = {"predictions": 0, "truths": 0}
        self.restart()

    def restart(self) -> None:
        self.partition = Partition(0, self.make.shared_released, lenses=self.make.shared_lenses)
        self.partition.restore(self.stored.items())
        self.at = dict(self.committed)

    def read(self, topic: str) -> None:
        offset = self.at[topic]
        if offset >= len(self.topics[topic]):
            return
        item = self.topics[topic][offset]
        self.at[topic] += 1
        if topic == "predictions":
            ids, mirror = item
            role, version = (ARM_ROLE_MIRROR, 2) if mirror else (ARM_ROLE_PRIMARY, 1)
            times, seed = [time_of(one) for one in ids], IDS.index(ids[0])
            batch = self.make.batch(ids, times, seed=seed, role=role, version=version)
            self.partition.add_predictions(batch, offset, NOW)
        else:
            self.partition.add_truths(self.make.truth(*item, observed=observed_at(item)), offset, NOW)
        if self.at_once:
            self.partition.process()

    def flush(self, dice: random.Random | None = None) -> None:
        """Store, tell, commit; with dice the process dies while it stores."""
        self.partition.process()
        read = self.topics["truths"][: self.at["truths"]]
        until = None if len(read) == len(self.topics["truths"]) else {"tide": max(map(observed_at, read), default=0)}
        self.partition.expire(until)
        partials = list(self.partition.take_partials(until))
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
        for one in self.told.values():
            one.watermark = 0
        return {key: one.SerializeToString(deterministic=True) for key, one in self.told.items()}


@settings(max_examples=60, deadline=None)
@given(batches, truths, steps, st.integers())
def test_crashes_and_replays_change_nothing(
    make: Any, sizes: list[int], truths: list[tuple[int, float]], steps: list[str], seed: int
) -> None:
    dice = random.Random(seed)
    straight, crashing = Run(make, sizes, truths, at_once=True), Run(make, sizes, truths, at_once=False)
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


@pytest.mark.parametrize("version", [1, 2])
def test_a_correction_stored_of_one_version_alone_counts_once_for_each(make: Any, version: int) -> None:
    run = Run(make, [1], [(0, 0.0), (0, 1.0)], at_once=False)
    for topic in ("predictions", "predictions", "truths"):
        run.read(topic)
    run.flush()
    run.read("truths")
    run.partition.process()
    stored = [change for wave in run.partition.take_changes() for change in wave]
    run.keep([[change for change in stored if change[0].startswith(f"labels/0/tide/{version}/")]])
    run.restart()
    run.finish()
    assert [(one.corrected, one.total.labelled) for one in run.told.values()] == [(1, 1), (1, 1)]
