"""Data set versions: point-in-time rows, each record once, announced with what they hold."""

import polars as pl
import pytest
from ingest_examples import hours, message, ride, truth, weather
from tidemill_contracts.pipeline import PipelineFile
from tidemill_ingest.adapters.lake import Lake
from tidemill_ingest.datasets import DatasetWriter
from tidemill_ingest.domain.dataset import LabelSummary, Progress, assemble, chained_digest, is_due
from tidemill_ingest.domain.messages import LabelStream, RecordStream
from tidemill_ingest.storing import StreamStore


def frames(rides: list[dict], observations: list[dict], truths: dict[str, float]):
    sources = {
        "rides": pl.DataFrame(rides).with_columns(pl.col("at").str.to_datetime(time_zone="UTC")),
        "weather": pl.DataFrame(observations).with_columns(pl.col("at").str.to_datetime(time_zone="UTC")),
    }
    labels = pl.DataFrame(
        {
            "record_id": list(truths),
            "label": [float(label) for label in truths.values()],
            "observed_at": [hours(40)] * len(truths),
        }
    )
    return sources, labels


def rows(pipeline, rides, observations, truths, known=()):
    return assemble(pipeline, *frames(rides, observations, truths), pl.Series(list(known), dtype=pl.String), 1)


def test_the_newest_observation_not_later_than_the_event_is_joined(pipeline) -> None:
    found = rows(pipeline, [ride("a", 2.5)], [weather(1, 0.1), weather(2, 0.2), weather(3, 0.3)], {"a": 1})
    assert found["weather_rain"].to_list() == [0.2]


def test_an_observation_of_the_same_moment_counts(pipeline) -> None:
    assert rows(pipeline, [ride("a", 2)], [weather(2, 0.2)], {"a": 1})["weather_rain"].to_list() == [0.2]


def test_an_observation_older_than_the_tolerance_is_missing(pipeline) -> None:
    found = rows(pipeline, [ride("a", 5)], [weather(1, 0.1), weather(9, 0.9)], {"a": 1})
    assert found["weather_rain"].to_list() == [None]


def test_another_city_is_not_joined(pipeline) -> None:
    found = rows(pipeline, [ride("a", 2)], [weather(2, 0.2, city="LAX")], {"a": 1})
    assert found["weather_rain"].to_list() == [None]


def test_a_record_waits_until_the_joined_source_has_reached_it(pipeline) -> None:
    found = rows(pipeline, [ride("a", 2), ride("b", 4)], [weather(2, 0.2)], {"a": 1, "b": 0})
    assert found["record_id"].to_list() == ["a"]


def test_records_without_a_label_or_already_in_the_data_set_are_left_out(pipeline) -> None:
    rides = [ride("a", 1), ride("b", 1), ride("c", 1)]
    assert rows(pipeline, rides, [weather(2, 0)], {"a": 1, "b": 1}, known=["a"])["record_id"].to_list() == ["b"]


def test_rows_are_ordered_by_event_time_then_id(pipeline) -> None:
    rides = [ride("c", 1), ride("b", 2), ride("a", 2)]
    assert rows(pipeline, rides, [weather(2, 0)], {"a": 1, "b": 1, "c": 0})["record_id"].to_list() == ["c", "a", "b"]


def test_the_newest_label_of_a_record_wins(pipeline) -> None:
    sources, labels = frames([ride("a", 1)], [weather(2, 0)], {"a": 0})
    corrected = pl.concat([labels.with_columns(label=pl.lit(1.0), observed_at=pl.lit(hours(50))), labels])
    found = assemble(pipeline, sources, corrected, pl.Series([], dtype=pl.String), 1)
    assert found["late"].to_list() == [1]


def test_the_digest_depends_on_rows_and_history(pipeline) -> None:
    found = rows(pipeline, [ride("a", 1)], [weather(2, 0)], {"a": 1})
    assert chained_digest("", found) == chained_digest("", found.clone())
    assert chained_digest("", found) != chained_digest("x", found)
    assert chained_digest("", found) != chained_digest("", found.with_columns(late=pl.lit(0)))


@pytest.mark.parametrize(
    ("labels", "hour", "due"), [(0, 0, False), (3, 10, False), (4, 10, True), (1, 24 * 7 + 1, True), (0, 24 * 8, False)]
)
def test_a_version_is_due_after_enough_labels_or_enough_time(pipeline, labels: int, hour: float, due: bool) -> None:
    progress = Progress(version=1, rows=5, observed_until=hours(0))
    assert is_due(pipeline, progress, LabelSummary(labels, hours(-50), hours(hour))) is due


class Loop:
    """The streams of a pipeline and its data set in one lake."""

    def __init__(self, root: str, pipeline: PipelineFile) -> None:
        lake = Lake(root)
        self.stores = {
            name: StreamStore(lake, RecordStream(name, source), lake.records(name, source))
            for name, source in pipeline.sources.items()
        }
        self.labels = StreamStore(lake, LabelStream([pipeline]), lake.labels())
        self.now = 0.0
        self.writer = DatasetWriter(lake, pipeline, clock=self.clock)
        self.announced = self.writer.resume()

    def clock(self) -> float:
        """Each look at it is a second later."""
        self.now += 1
        return self.now

    def push(self, first: int, count: int) -> None:
        self.push_records(first, count)
        self.push_labels(first, count)

    def push_records(self, first: int, count: int) -> None:
        self.stores["weather"].store([message(weather(i, i / 10), offset=i) for i in range(first, first + count)])
        self.stores["rides"].store([message(ride(f"r{i}", i), offset=i) for i in range(first, first + count)])

    def push_labels(self, first: int, count: int) -> None:
        self.labels.store([message(truth(f"r{i}", i % 2, hour=i + 1), offset=i) for i in range(first, first + count)])


def test_versions_grow_without_gaps_and_say_what_they_hold(tmp_path, pipeline) -> None:
    loop = Loop(tmp_path.as_uri(), pipeline)
    loop.push(0, 3)
    assert loop.writer.write_if_due() is None
    loop.push(3, 2)
    first = loop.writer.write_if_due()
    loop.push(5, 4)
    second = loop.writer.write_if_due()
    assert first is not None
    assert second is not None
    assert [(a.version, a.rows, a.added_rows) for a in (first, second)] == [(1, 5, 5), (2, 9, 4)]
    assert second.table_version == first.table_version + 1
    assert second.to_time.ToDatetime() == hours(8).replace(tzinfo=None)
    assert loop.writer.write_if_due() is None


def test_after_a_restart_the_last_announcement_is_made_again_unchanged(tmp_path, pipeline) -> None:
    loop = Loop(tmp_path.as_uri(), pipeline)
    loop.push(0, 4)
    announced = loop.writer.write_if_due()
    restarted = Loop(tmp_path.as_uri(), pipeline)
    assert restarted.announced == announced
    assert restarted.writer.write_if_due() is None


def test_two_writers_make_one_version(tmp_path, pipeline) -> None:
    loop = Loop(tmp_path.as_uri(), pipeline)
    loop.push(0, 4)
    other = Loop(tmp_path.as_uri(), pipeline)
    assert loop.writer.write_if_due() == other.writer.write_if_due()
    assert Loop(tmp_path.as_uri(), pipeline).announced.rows == 4


def test_the_first_version_counts_time_from_the_first_label(pipeline) -> None:
    assert is_due(pipeline, Progress(), LabelSummary(2, hours(0), hours(24 * 7)))
    assert not is_due(pipeline, Progress(), LabelSummary(2, hours(0), hours(24 * 7 - 1)))
    assert not is_due(pipeline, Progress(), LabelSummary(0, None, None))


def test_labels_that_came_before_their_records_are_used_when_those_come(tmp_path, pipeline) -> None:
    loop = Loop(tmp_path.as_uri(), pipeline)
    loop.push_labels(0, 12)
    loop.push_records(0, 5)
    first = loop.writer.write_if_due()
    loop.push_records(5, 3)
    too_few = loop.writer.write_if_due()
    loop.push_records(8, 4)
    loop.now += 100
    second = loop.writer.write_if_due()
    assert too_few is None
    assert [(one.version, one.rows) for one in (first, second) if one] == [(1, 5), (2, 12)]


def test_a_last_few_rows_are_written_when_enough_time_lies_between_their_labels(tmp_path, pipeline) -> None:
    loop = Loop(tmp_path.as_uri(), pipeline)
    loop.push(0, 4)
    assert loop.writer.write_if_due()
    loop.labels.store([message(truth("r4", 1, hour=4 + 24 * 7), offset=4)])
    assert loop.writer.write_if_due() is None
    loop.push_records(4, 1)
    loop.now += 100
    second = loop.writer.write_if_due()
    assert second is not None
    assert second.rows == 5


def test_an_assembly_in_vain_is_not_repeated_at_once(tmp_path, pipeline) -> None:
    loop = Loop(tmp_path.as_uri(), pipeline)
    loop.push_labels(0, 4)
    assert loop.writer.write_if_due() is None
    loop.push_records(0, 4)
    assert loop.writer.write_if_due() is None
    loop.now += 10
    assert loop.writer.write_if_due() is not None
