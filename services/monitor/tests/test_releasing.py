"""When panes are told while a release is under way, and how the second stage knows the newest words of each."""

from typing import Any

import pytest
from test_stages import System
from tidemill.v1.prediction_pb2 import ARM_ROLE_MIRROR, PredictionBatch
from tidemill_contracts import topics
from tidemill_monitor.domain.pane_store import PaneStore
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.rollout import rollout_evidence
from tidemill_monitor.rebuilding import compare, newest

DAY = 24 * 3600 * 1_000_000
START = 15_000 * DAY
NOW = START + 1000 * DAY


@pytest.fixture
def partition(make: Any) -> Partition:
    return Partition(2, make.released())


def copied(make: Any, ids: list[str], version: int = 2) -> PredictionBatch:
    """Answers of a version that only watched."""
    message: PredictionBatch = make.batch(ids, version=version, role=ARM_ROLE_MIRROR)
    return message


def offsets(make: Any, partition: Partition) -> dict[int, int]:
    """Clock of the first pane of each version told."""
    return {version: one.offset for (version, day), one in make.partials(partition).items() if day == 0}


def test_the_clock_of_a_copy_ticks_with_the_answers_it_is_compared_with(make: Any, partition: Partition) -> None:
    partition.add_predictions(copied(make, ["a"]), 0, NOW)
    alone = offsets(make, partition)
    partition.add_predictions(make.batch(["a"]), 1, NOW)
    answered = offsets(make, partition)
    assert answered[2] == answered[1] == alone[2] + 1


def test_a_copy_told_after_its_release_is_no_older_than_before(make: Any) -> None:
    catalogue = make.released()
    partition = Partition(2, catalogue)
    partition.add_predictions(copied(make, ["a"]), 0, NOW)
    partition.add_predictions(make.batch(["a", "b"]), 7, NOW)
    during = offsets(make, partition)[2]
    catalogue.note_route(make.route(2, {1: 1.0}))
    partition.add_truths(make.truth("a"), 0, NOW)
    assert offsets(make, partition)[2] > during


def test_evidence_that_a_late_answer_completes_has_a_sequence_of_its_own(make: Any, partition: Partition) -> None:
    panes = PaneStore(make.watch(), 1)
    partition.add_predictions(copied(make, ["a"]), 0, NOW)
    partition.add_predictions(make.batch(["b"]), 1, NOW)
    pairs: dict[int, set[int]] = {}
    for batch in (None, make.batch(["a"])):
        if batch is not None:
            partition.add_predictions(batch, 2, NOW)
        for one in make.partials(partition).values():
            panes.put(one)
            (evidence,) = rollout_evidence(panes, [START])
            for arm in evidence.arms:
                if arm.mirror:
                    pairs.setdefault(evidence.sequence, set()).add(arm.shadow.pairs)
    assert all(len(some) == 1 for some in pairs.values())
    assert pairs[max(pairs)] == {1}


def test_answers_of_a_copys_own_version_are_no_partners(make: Any, partition: Partition) -> None:
    partition.add_predictions(make.batch(["a"], version=2), 0, NOW)
    partition.add_predictions(copied(make, ["a"]), 1, NOW)
    partition.process()
    told = [one for one in partition.take_partials() if one.mirror]
    assert [one.shadow.pairs for one in told] == [0]


def test_the_newest_pane_is_told_again_with_the_news_of_a_release(make: Any) -> None:
    catalogue = make.catalogue()
    partition = Partition(2, catalogue)
    partition.add_predictions(make.batch(["a", "b"], [START, START + DAY]), 0, NOW)
    assert set(make.partials(partition)) == {(1, 0), (1, 1)}
    catalogue.note_route(make.route())
    told = make.partials(partition)
    assert {place: [epoch.predictions for epoch in one.epochs] for place, one in told.items()} == {(1, 1): [1]}
    assert make.partials(partition) == {}


def test_panes_told_during_a_release_compare_with_those_rebuilt_after_it(make: Any) -> None:
    sides = []
    for catalogue in (make.released(), make.catalogue()):
        partition = Partition(2, catalogue)
        for offset, batch in enumerate((copied(make, ["a", "b"]), make.batch(["a"]), make.batch(["b"]))):
            partition.add_predictions(batch, offset, NOW)
            partition.process()
            list(partition.take_partials())
        partition.add_truths(make.truth("a"), 0, NOW)
        partition.process()
        sides.append(newest(partition.take_partials()))
    assert compare(*sides).is_same


async def test_a_failing_candidate_is_seen_after_one_flush_of_each_stage(make: Any) -> None:
    system = System(make)
    system.catalogue.note_route(make.route())
    for offset, batch in enumerate((make.batch(["a", "b"]), make.batch(["c"], version=2, error="failed"))):
        await system.join.on_predictions(make.message(topics.PREDICTIONS, batch.SerializeToString(), offset, 0))
    await system.settle()
    (event,) = [one for topic, one in system.producer.events if topic == topics.ROLLOUT_EVIDENCE]
    counts = {arm.version: (arm.predictions, [epoch.errors for epoch in arm.epochs]) for arm in event.data.arms}
    assert counts == {1: (2, [0]), 2: (1, [1])}


async def test_a_model_not_under_release_gives_no_evidence(make: Any) -> None:
    system = System(make)
    await system.day(0)
    assert topics.ROLLOUT_EVIDENCE not in {topic for topic, _ in system.producer.events}
