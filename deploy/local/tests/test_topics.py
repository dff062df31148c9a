from pathlib import Path

import yaml
from tidemill_local.topics import TOPICS, declared, sources


def test_a_topic_of_sources_becomes_one_topic_per_source():
    names = {topic.name for topic in declared({"flights", "weather"})}

    assert {"records.flights", "records.weather", "records.flights.dlq"} <= names
    assert not any("<source>" in name for name in names)


def test_every_consumed_topic_has_a_dead_letter_topic():
    topics = {topic.name for topic in declared({"flights"})}
    entries = yaml.safe_load(TOPICS.read_text())["topics"]

    consumed = {entry["name"].replace("<source>", "flights") for entry in entries if entry.get("consumers")}
    assert {name for name in topics if name.endswith(".dlq")} == {f"{name}.dlq" for name in consumed}


def test_predictions_and_ground_truth_are_partitioned_alike():
    partitions = {topic.name: topic.partitions for topic in declared(())}

    assert partitions["predictions"] == partitions["ground-truth"] == 4


def test_routes_keep_the_newest_of_each_model_for_ever():
    routes = next(topic for topic in declared(()) if topic.name == "routes")

    assert routes.config["cleanup.policy"] == "compact"


def test_no_topic_expires_by_the_time_its_producers_claim():
    assert {topic.config["message.timestamp.type"] for topic in declared({"flights"})} == {"LogAppendTime"}


def test_every_topic_the_code_names_is_declared():
    from tidemill_contracts import topics as names

    spelled = {
        value for name, value in vars(names).items() if name.isupper() and not name.endswith(("PREFIX", "SUFFIX"))
    }
    assert spelled <= {topic.name for topic in declared(())}


def test_sources_are_read_from_every_pipeline_file(tmp_path: Path):
    for folder, names in {"a": ["x", "y"], "b": ["y", "z"]}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pipeline.yaml").write_text(yaml.safe_dump({"sources": {name: {} for name in names}}))

    assert sources(tmp_path) == {"x", "y", "z"}
