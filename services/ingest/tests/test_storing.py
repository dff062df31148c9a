"""The lake holds each message exactly once, whatever is repeated."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_examples import message, ride, rides_pipeline, truth
from tidemill_contracts.pipeline import PipelineFile
from tidemill_ingest.adapters.lake import Lake
from tidemill_ingest.domain.messages import LabelStream, RecordStream
from tidemill_ingest.storing import StreamStore
from tidemill_runtime.errors import Conflict


class Rides:
    """A store of rides in a lake of its own."""

    def __init__(self, root: str, pipeline: PipelineFile) -> None:
        self.lake = Lake(root)
        self.source = pipeline.sources["rides"]
        stream = RecordStream("rides", self.source)
        self.store = StreamStore(self.lake, stream, self.lake.records("rides", self.source))
        self.store.positions([0, 1])

    def ids(self) -> list[str]:
        table = self.lake.records("rides", self.source)
        table.open()
        return sorted(table.read(["id"])["id"])

    def rows(self, table: str) -> int:
        found = getattr(self.lake, table)("rides")
        found.open()
        return found.read().height


@pytest.fixture
def rides(tmp_path, pipeline) -> Rides:
    return Rides(tmp_path.as_uri(), pipeline)


def test_a_batch_is_archived_validated_and_stored(rides: Rides) -> None:
    rides.store.store(
        [message(ride("a", 1), offset=0), message(b"{", offset=1), message(ride("b", 1, distance=-1), offset=2)]
    )
    assert rides.ids() == ["a"]
    assert rides.rows("raw") == 3
    assert rides.rows("quarantine") == 2


def test_quarantine_says_why(rides: Rides) -> None:
    rides.store.store([message(ride("b", 1, distance=-1), offset=0)])
    assert rides.lake.quarantine("rides").read()["reasons"].to_list() == [["distance: -1 is below 0"]]


def test_the_same_offsets_again_change_nothing(rides: Rides) -> None:
    batch = [message(ride("a", 1), offset=0), message(b"{", offset=1)]
    rides.store.store(batch)
    rides.store.store(batch)
    assert (rides.ids(), rides.rows("raw"), rides.rows("quarantine")) == (["a"], 2, 1)


def test_a_record_id_that_comes_again_is_dropped_but_archived(rides: Rides) -> None:
    rides.store.store([message(ride("a", 1), offset=0)])
    rides.store.store([message(ride("a", 1), offset=1), message(ride("b", 1), offset=2)])
    assert rides.ids() == ["a", "b"]
    assert rides.rows("raw") == 3


def test_a_restart_resumes_where_the_lake_stands_and_remembers_ids(rides: Rides, tmp_path, pipeline) -> None:
    rides.store.store([message(ride("a", 1), offset=4), message(ride("b", 1), offset=7, partition=1)])
    restarted = Rides(tmp_path.as_uri(), pipeline)
    assert restarted.store.positions([0, 1]) == {0: 5, 1: 8}
    restarted.store.store([message(ride("a", 1), offset=5)])
    assert restarted.ids() == ["a", "b"]


def test_a_second_owner_of_a_partition_is_refused(rides: Rides, tmp_path, pipeline) -> None:
    other = Rides(tmp_path.as_uri(), pipeline)
    other.store.store([message(ride("a", 1), offset=0)])
    with pytest.raises(Conflict):
        rides.store.store([message(ride("z", 1), offset=0)])
    assert rides.ids() == ["a"]


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 8), min_size=1, max_size=4))
def test_any_replay_after_any_restart_gives_the_same_tables(cuts: list[int], tmp_path_factory) -> None:
    pipeline = rides_pipeline()
    root = tmp_path_factory.mktemp("lake").as_uri()
    stream = [message(ride(f"r{i % 6}", i), offset=i) if i % 3 else message(b"{", offset=i) for i in range(9)]
    for cut in cuts:
        rides = Rides(root, pipeline)
        resume = rides.store.positions([0])[0]
        rides.store.store([m for m in stream if m.offset >= resume][:cut] or [stream[0]])
    rides = Rides(root, pipeline)
    resume = rides.store.positions([0])[0]
    rides.store.store([m for m in stream if m.offset >= resume] or [stream[-1]])
    assert rides.ids() == ["r1", "r2", "r4", "r5"]
    assert (rides.rows("raw"), rides.rows("quarantine")) == (9, 3)


def test_labels_need_a_known_pipeline_and_a_class(tmp_path, pipeline) -> None:
    lake = Lake(tmp_path.as_uri())
    store = StreamStore(lake, LabelStream([pipeline]), lake.labels())
    store.store(
        [
            message(truth("a", 1), offset=0),
            message(truth("", 1), offset=1),
            message(truth("b", 1, pipeline="other"), offset=2),
            message(truth("c", 2), offset=3),
            message(b"\xff", offset=4),
        ]
    )
    assert lake.labels().read()["record_id"].to_list() == ["a"]
    refused = lake.quarantine("ground-truth").read()["reasons"].to_list()
    assert [reason[0].split(":")[0] for reason in refused[:2]] == ["pipeline", "label"]
    assert len(refused) == 3
