"""A mistake in a pipeline file is reported with its file, line, field and cure."""

import re
from pathlib import Path

import pytest
from tidemill_contracts.loading import PipelineError, load_pipeline, load_pipelines

MISTAKES = {
    "unknown field": ("seed: 7", "sede: 7", "sede: unknown field; correct its name or remove it"),
    "unknown nested field": ("delay: 2d,", "dealy: 2d,", "label.dealy: unknown field; correct its name or remove it"),
    "internal name": ("seed: 7", "seed: 7\npath: elsewhere", "path: unknown field; correct its name or remove it"),
    "missing nested field": ("tolerance: 6h", "", "joins.0.tolerance: missing; add it"),
    "wrong type": ("seed: 7", "seed: lucky", "seed: Input should be a valid integer"),
    "out of range": ("test: 0.2", "test: 0.7", "split.test: Input should be less than 0.5"),
    "bad duration": ("tolerance: 6h", "tolerance: 6 hours", "joins.0.tolerance: '6 hours' is not a duration; write a"),
    "bad name": ("name: rides", "name: Rides", "name: String should match pattern"),
    "unknown field type": (
        "rain: {type: float",
        "rain: {type: number",
        "sources.weather.fields.rain.type: Input should",
    ),
    "limit of a category": (
        "{type: category, categories: [north, south]}",
        "{type: category, min: 1}",
        "sources.rides.fields.station: min and max are for type float or int, not category; remove them",
    ),
    "categories of a number": (
        "rain: {type: float",
        "rain: {categories: [a], type: float",
        "sources.weather.fields.rain: categories are for type category, not float; remove them",
    ),
    "limits swapped": ("min: 0, max: 500", "min: 500, max: 0", "sources.rides.fields.distance: min 500.0 is above max"),
    "event time no timestamp": (
        "event_time: departure",
        "event_time: distance",
        "sources.rides.event_time: 'distance' must be a required field of type timestamp",
    ),
    "key among the fields": (
        "key: reading",
        "key: rain",
        "sources.weather.fields.rain: key 'rain' is a text by itself; remove it from the fields",
    ),
    "unknown primary": (
        "primary: rides",
        "primary: trips",
        "primary: 'trips' is not one of the sources: rides, weather",
    ),
    "unknown source in a join": (
        "{source: weather, on",
        "{source: wether, on",
        "joins.0.source: 'wether' is not one of the sources: rides, weather",
    ),
    "unknown field in a join": (
        "on: [station]",
        "on: [platform]",
        "joins.0.on: 'platform' is not a field of source 'rides'",
    ),
    "unknown feature": (
        "distance, passengers,",
        "distance, passenger,",
        "features.2: feature 'passenger' is not a field of source 'rides'",
    ),
    "feature without a source": (", weather.rain]", ", .station]", "features.3: feature '.station' needs source ''"),
    "feature of a source not joined": (
        "joins:\n  - {source: weather, on: [station], tolerance: 6h}",
        "joins: []",
        "features.3: feature 'weather.rain' needs source 'weather', which is not joined; add it to joins",
    ),
    "timestamp as a feature": (
        "features: [station,",
        "features: [departure,",
        "features.0: feature 'departure' is a timestamp; use numbers or categories",
    ),
    "feature given twice": (
        "features: [station, distance,",
        "features: [distance, distance,",
        "features.1: 'distance' is given more than once; remove or rename one",
    ),
    "label among the features": (
        "label: {name: late,",
        "label: {name: distance,",
        "features.1: 'distance' is the name of another column of the data set",
    ),
    "classes of a regression": (
        "task: classification",
        "task: regression",
        "label.classes: classes belong to task classification, and only to it",
    ),
    "classification without classes": (
        ", classes: 2}",
        "}",
        "label.classes: classes belong to task classification, and only to it",
    ),
    "candidate given twice": (
        "name: linear",
        "name: boosting",
        "candidates.1: 'boosting' is given more than once; remove or rename one",
    ),
    "primary metric not measured": (
        "primary_metric: auc",
        "primary_metric: f1",
        "primary_metric: metric 'f1' is used but not measured; add it to metrics",
    ),
    "threshold of a metric not measured": (
        "{metric: auc, at_least",
        "{metric: f1, at_least",
        "policy.thresholds.0.metric: metric 'f1' is used but not measured; add it to metrics",
    ),
    "comparison by a metric not measured": (
        "{metric: log_loss, by",
        "{metric: brier, by",
        "policy.better_than_serving.metric: metric 'brier' is used but not measured; add it to metrics",
    ),
    "two limits of a threshold": (
        "at_least: 0.6}",
        "at_least: 0.6, at_most: 0.9}",
        "policy.thresholds.0: give exactly one of at_least and at_most",
    ),
    "key given twice": ("seed: 7", "seed: 7\nseed: 8", 'not YAML: found duplicate key "seed"'),
    "broken brackets": ("delay: 2d, classes: 2}", "delay: 2d, classes: 2", "not YAML: "),
}


def test_the_example_says_what_it_says(example: Path):
    pipeline = load_pipeline(example)

    assert (pipeline.name, pipeline.model, pipeline.task) == ("rides", "ride-late", "classification")
    assert list(pipeline.feature_fields) == ["station", "distance", "passengers", "weather_rain"]
    assert pipeline.feature_fields["distance"].max == 500
    assert pipeline.sources["rides"].key == "id"
    assert pipeline.candidates[0].hyperparameters == {"learning_rate": 0.1, "max_iter": 200}
    assert pipeline.training_file == example.parent / "training.py"


@pytest.mark.parametrize(("right", "wrong", "told"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_names_file_line_field_and_cure(write, right: str, wrong: str, told: str):
    path = write((right, wrong))

    with pytest.raises(PipelineError) as refused:
        load_pipeline(path)

    assert re.search(rf"^{re.escape(str(path))}:\d+: {re.escape(told)}", str(refused.value), re.MULTILINE)


@pytest.mark.parametrize(
    ("right", "wrong", "marked"),
    [
        ("seed: 7", "seed: 7\nsede: 7", "sede: 7"),
        ("test: 0.2", "test: 0.7", "split:"),
        ("{source: weather, on", "{source: wether, on", "- {source: wether"),
        ("primary: rides", "primary: trips", "primary: trips"),
        ("{metric: auc, at_least", "{metric: f1, at_least", "- {metric: f1"),
        ("rain: {type: float", "rain: {type: number", "rain: {type: number"),
        ("name: linear", "name: boosting", "algorithm: logistic_regression"),
        ("seed: 7", "seed: 7\npath: elsewhere", "path: elsewhere"),
        ("event_time: departure", "event_time: distance", "event_time: distance"),
    ],
)
def test_the_line_is_the_one_with_the_mistake(write, right: str, wrong: str, marked: str):
    path = write((right, wrong))

    with pytest.raises(PipelineError) as refused:
        load_pipeline(path)

    line = int(re.match(rf"{re.escape(str(path))}:(\d+):", str(refused.value))[1])
    assert marked in path.read_text().splitlines()[line - 1]


def test_a_missing_field_of_the_file_is_named(write):
    path = write(("seed: 7\n", ""))

    with pytest.raises(PipelineError, match="seed: missing; add it"):
        load_pipeline(path)


def test_all_mistakes_are_told_at_once(write):
    path = write(("seed: 7", "seed: -1"), ("approval: human", "approval: maybe"))

    with pytest.raises(PipelineError) as refused:
        load_pipeline(path)

    assert [line.split(": ")[1] for line in str(refused.value).splitlines()] == ["seed", "policy.approval"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ":1: a pipeline file is a mapping that begins with `apiVersion: tidemill/v1`"),
        (b"- a\n- b\n", ":1: a pipeline file is a mapping"),
        (b"name: [", ": not YAML"),
        (b"name: \xff", ":1: not YAML in UTF-8"),
        (b"name: \x00", ":1: not YAML in UTF-8"),
        (b"#" * (1 << 20) + b"#", ": larger than 1048576 bytes"),
    ],
    ids=["empty", "list", "unclosed", "not UTF-8", "control character", "too large"],
)
def test_what_is_no_pipeline_file_at_all_is_refused(tmp_path: Path, content: bytes, told: str):
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)

    with pytest.raises(PipelineError, match=re.escape(told)):
        load_pipeline(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(PipelineError, match=r"absent\.yaml: No such file"):
        load_pipeline(tmp_path / "absent.yaml")


def test_a_directory_gives_every_pipeline_by_name(write, tmp_path: Path):
    write(folder="one")
    write(("name: rides", "name: trips"), ("model: ride-late", "model: trip-late"), folder="two")

    assert set(load_pipelines(tmp_path)) == {"rides", "trips"}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (("model: ride-late", "model: other"), "name 'rides' is taken by"),
        (("name: rides", "name: other"), "model 'ride-late' is taken by"),
    ],
)
def test_two_files_share_neither_name_nor_model(write, tmp_path: Path, other: tuple[str, str], told: str):
    first, second = write(folder="one"), write(other, folder="two")

    with pytest.raises(PipelineError, match=f"^{re.escape(str(second))}: {re.escape(f'{told} {first}')}"):
        load_pipelines(tmp_path)


def test_a_directory_without_pipelines_is_refused(tmp_path: Path):
    with pytest.raises(PipelineError, match="add one or correct TIDEMILL_PIPELINES"):
        load_pipelines(tmp_path)
