"""What the second stage tells of a release: the panes of all partitions together, each by an event of its own."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import PANE, START, pipeline
from test_evaluation import System
from tidemill.v1 import monitoring_pb2 as pb
from tidemill.v1.model_pb2 import Arm, Mirror, Route
from tidemill.v1.reference_pb2 import MetricSums
from tidemill_contracts import topics
from tidemill_monitor.domain.pane_store import PaneStore
from tidemill_monitor.domain.partition import Partition
from tidemill_monitor.domain.rollout import completed, rollout_evidence
from tidemill_monitor.domain.watched import Watch
from tidemill_runtime.errors import Unavailable
from tidemill_runtime.events import derived_id

MOST_UNITS = 1024
DAY = 24 * 3600 * 1_000_000
NOW = START + 1000 * DAY


def route(epoch: int, *arms: int, mirrors: tuple[int, ...] = ()) -> Route:
    watching = [Mirror(version=one, fraction=1.0) for one in mirrors]
    return Route(
        model="tide", epoch=epoch, arms=[Arm(version=one, weight=1 / len(arms)) for one in arms], mirrors=watching
    )


def sums(*values: float) -> MetricSums:
    return MetricSums(count=len(values), sum=sum(values), sum_of_squares=sum(one * one for one in values))


def pane(number: int = 0, version: int = 1, partition: int = 0, offset: int = 1, **said: Any) -> pb.PanePartial:
    """How a pane stands in a partition that was read up to its end unless `until`, a number of panes, is given."""
    until = said.pop("until", number + 1)
    return pb.PanePartial(
        model="tide",
        version=version,
        partition=partition,
        start=START + number * PANE,
        length=PANE,
        watermark=START + until * PANE,
        offset=offset,
        total=pb.SlicePartial(predictions=said.pop("predictions", 0), labelled=said.pop("labelled", 0)),
        **said,
    )


def known_in(number: int, *losses: float, metric: str = "log_loss") -> pb.LabelPane:
    """Labels that became known in a pane, and the loss of each."""
    return pb.LabelPane(start=START + number * PANE, labelled=len(losses), metrics={metric: sums(*losses)})


def store(*partials: pb.PanePartial) -> PaneStore:
    panes = PaneStore(Watch.of(pipeline()), 1)
    for one in partials:
        panes.put(one)
    return panes


def evidence_of(*partials: pb.PanePartial) -> pb.RolloutEvidence:
    """Of the first pane."""
    (evidence,) = rollout_evidence(store(*partials), [START])
    return evidence


def test_the_partitions_of_an_arm_are_added_up() -> None:
    first = pb.EpochEvidence(epoch=1, predictions=5, errors=1, slow=2, latency=sums(0.5), units=[3, 9])
    second = pb.EpochEvidence(epoch=1, predictions=2, errors=1, slow=0, latency=sums(0.25), units=[4, 9])
    later = pb.EpochEvidence(epoch=2, predictions=1)
    evidence = evidence_of(
        pane(partition=1, predictions=3, labelled=1, offset=7, epochs=[second, later], labels=[known_in(1, 0.5)]),
        pane(predictions=5, labelled=3, offset=4, epochs=[first], labels=[known_in(0, 2.0), known_in(1, 1.0, 0.25)]),
    )
    (arm,) = evidence.arms
    assert (evidence.model, evidence.start, evidence.length, evidence.sequence) == ("tide", START, PANE, 11)
    assert (arm.version, arm.mirror, arm.predictions, arm.labelled) == (1, False, 8, 4)
    assert list(arm.epochs) == [
        pb.EpochEvidence(epoch=1, predictions=7, errors=2, slow=2, latency=sums(0.5, 0.25), units=[3, 4, 9]),
        pb.EpochEvidence(epoch=2, predictions=1, latency=sums()),
    ]
    assert list(arm.labels) == [known_in(0, 2.0), known_in(1, 1.0, 0.25, 0.5)]
    assert not arm.HasField("shadow")


def test_versions_and_roles_are_arms_of_their_own() -> None:
    told = pb.ShadowEvidence(pairs=2, agreements=1, distance=sums(0.5, 0.0), delay=sums(0.25))
    more = pb.ShadowEvidence(pairs=1, agreements=1, distance=sums(0.125), delay=sums(-0.5))
    evidence = evidence_of(
        pane(version=2, mirror=True, shadow=told),
        pane(version=2, mirror=True, partition=1, shadow=more),
        pane(version=2, mirror=True, partition=2),
        pane(version=2),
        pane(),
    )
    assert [(one.version, one.mirror) for one in evidence.arms] == [(1, False), (2, False), (2, True)]
    together = pb.ShadowEvidence(pairs=3, agreements=2, distance=sums(0.5, 0.0, 0.125), delay=sums(0.25, -0.5))
    assert [one.shadow for one in evidence.arms if one.HasField("shadow")] == [together]


def test_the_smallest_units_of_all_partitions_are_told(make: Any) -> None:
    panes = PaneStore(Watch.of(make.pipeline()), 2)
    units = random.Random(5).sample(range(1, 10_000), 3000)
    for number, some in enumerate((units[:1800], units[1500:])):
        partition = Partition(number, make.released())
        ids = [f"{number}-{unit}" for unit in some]
        partition.add_predictions(make.batch(ids, [START] * len(ids), units=some), 0, NOW)
        partition.process()
        assert all(panes.put(one) for one in partition.take_partials())
    (evidence,) = rollout_evidence(panes, [START])
    (epoch,) = evidence.arms[0].epochs
    assert list(epoch.units) == sorted(units)[:MOST_UNITS]
    assert epoch.predictions == 3300


def test_a_newer_partial_makes_the_sequence_grow() -> None:
    told = [pane(), pane(version=2), pane(partition=1, offset=3), pane(offset=2), pane(version=2, offset=9)]
    sequences = [evidence_of(*told[: last + 1]).sequence for last in range(len(told))]
    assert sequences == sorted(set(sequences))


def test_a_pane_that_is_not_known_has_no_arms() -> None:
    (evidence,) = rollout_evidence(store(pane()), [START + PANE])
    assert not evidence.arms


values = st.lists(st.floats(-1000, 1000), max_size=3)
hashes = st.lists(st.integers(1, 2**64 - 1), max_size=4, unique=True)
epochs = st.builds(
    lambda epoch, rows, latencies, units: pb.EpochEvidence(
        epoch=epoch, predictions=rows, latency=sums(*latencies), units=sorted(units)
    ),
    st.integers(1, 3),
    st.integers(0, 9),
    values,
    hashes,
)
labels = st.builds(lambda number, losses: known_in(number, *losses), st.integers(0, 2), values)
shadows = st.builds(
    lambda pairs, distance: pb.ShadowEvidence(pairs=pairs, distance=sums(*distance)), st.integers(0, 9), values
)
partials = st.builds(
    lambda number, version, partition, **said: pane(number, version, partition, **said),
    st.integers(0, 1),
    st.integers(1, 2),
    st.integers(0, 2),
    mirror=st.booleans(),
    predictions=st.integers(0, 99),
    epochs=st.lists(epochs, max_size=2, unique_by=lambda one: one.epoch),
    labels=st.lists(labels, max_size=2, unique_by=lambda one: one.start),
    shadow=shadows,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(partials, max_size=12), st.randoms(use_true_random=False))
def test_evidence_is_the_same_whatever_order_the_partials_came_in(
    told: list[pb.PanePartial], dice: random.Random
) -> None:
    for offset, one in enumerate(told):
        one.offset = offset
    starts = [START, START + PANE]
    shuffled = dice.sample(told, len(told))
    found, again = rollout_evidence(store(*told), starts), rollout_evidence(store(*shuffled), reversed(starts))
    assert [one.SerializeToString(deterministic=True) for one in found] == [
        one.SerializeToString(deterministic=True) for one in again
    ]


def test_what_ended_and_what_has_labels_of_a_pane_that_ended_has_become_complete() -> None:
    panes = store(pane(0, labels=[known_in(2, 1.0), known_in(3, 1.0)]), pane(1), pane(2), pane(7))

    def numbers(before: int, now: int) -> list[int]:
        found = completed(panes, START + before, START + now)
        return sorted((start - START) // PANE for start in found)

    assert numbers(0, 1) == [7]
    assert numbers(1, PANE) == [0, 7]
    assert numbers(PANE, 2 * PANE + 1) == [1, 7]
    assert numbers(2 * PANE + 1, 3 * PANE) == [0, 2, 7]
    assert numbers(3 * PANE, 4 * PANE) == [0, 7]
    assert numbers(4 * PANE, 5 * PANE) == [7]
    assert numbers(5 * PANE, 5 * PANE) == numbers(5 * PANE, 4 * PANE) == []


@pytest.fixture
def system(make: Any) -> System:
    system = System(make)
    system.world.catalogue.note_route(route(1, 1, mirrors=(2,)))
    return system


def told(system: System) -> list[tuple[int, int]]:
    """The panes of the evidence told since the last call, by number, and up to which pane everything was complete."""
    events = [event.data for event in system.events(topics.ROLLOUT_EVIDENCE)]
    system.producer.events.clear()
    return [((one.start - START) // PANE, (one.complete_until - START) // PANE) for one in events]


async def test_every_pane_that_changed_is_told_with_an_id_derived_from_what_was_read(system: System) -> None:
    await system.take(pane(0, offset=1), pane(0, version=2, offset=1, mirror=True), pane(1))
    await system.take(pane(1, offset=2, until=3))
    events = system.events(topics.ROLLOUT_EVIDENCE)
    assert [((one.data.start - START) // PANE, one.data.sequence) for one in events] == [(0, 2), (1, 1), (1, 2)]
    for event in events:
        data = event.data
        place = (data.start, data.length, data.sequence, data.complete_until)
        assert event.id == derived_id("rollout", "tide", *place)
        assert event.subject == data.model == "tide"
    assert len({event.id for event in events}) == len(events)


async def test_no_evidence_is_told_but_while_a_release_is_under_way(make: Any) -> None:
    system = System(make)
    await system.take(pane(0))
    assert told(system) == []
    system.world.catalogue.note_route(route(1, 1, 2))
    await system.take(pane(1))
    assert [number for number, _ in told(system)] == [0, 1]
    system.world.catalogue.note_route(route(2, 2))
    await system.take(pane(2))
    assert told(system) == []


async def test_the_newest_pane_is_told_when_only_completeness_went_on(system: System) -> None:
    await system.take(pane(0), pane(5, until=5))
    assert told(system) == [(0, 5), (5, 5)]
    await system.take(pane(0, offset=0, until=5))
    assert told(system) == []
    stale = pane(0, offset=0, until=5)
    stale.watermark += 1
    await system.take(stale)
    assert told(system) == [(5, 5)]


async def test_a_pane_is_told_again_when_the_labels_it_has_are_all_there(system: System) -> None:
    await system.take(pane(0, labels=[known_in(2, 1.0)], until=2), pane(1, until=2), pane(2, until=2))
    assert told(system) == [(0, 2), (1, 2), (2, 2)]
    await system.take(pane(3, until=3))
    assert told(system) == [(0, 3), (2, 3), (3, 3)]


async def test_evidence_that_was_told_and_not_remembered_is_told_again_alike(system: System) -> None:
    await system.take(pane(0, labels=[known_in(1, 1.0)]))
    before = len(system.producer.sent)
    system.log.available = False
    lost = [pane(1), pane(1, version=2, mirror=True, shadow=pb.ShadowEvidence(pairs=1))]
    with pytest.raises(Unavailable):
        await system.take(*lost)
    first = system.producer.sent[before:]
    system.log.available = True
    system.restart()
    await system.take(*lost)
    again = system.producer.sent[before + len(first) :]
    assert [(one.key, one.value, identity(one)) for one in first] == [
        (one.key, one.value, identity(one)) for one in again
    ]
    assert len(first) == 2


def identity(sent: Any) -> bytes:
    found: bytes = dict(sent.headers)["ce_id"]
    return found
