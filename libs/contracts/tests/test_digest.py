"""A pipeline's digest is of its meaning."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tidemill_contracts.loading import load_pipeline


def reordered(node: object) -> object:
    if isinstance(node, dict):
        return {key: reordered(node[key]) for key in reversed(node)}
    return node


def test_comments_layout_and_notation_do_not_count(write, example: Path):
    path = write(("seed: 7", "seed:   7  # lucky"), ("validation: 0.15", "validation: 0.150"), ("7d}", "168h}"))

    assert load_pipeline(path).digest == load_pipeline(example).digest


def test_the_order_of_keys_does_not_count(tmp_path: Path, example: Path):
    yaml = YAML(typ="safe")
    shuffled = tmp_path / "pipeline.yaml"
    yaml.dump(reordered(yaml.load(example)), shuffled)

    assert load_pipeline(shuffled).digest == load_pipeline(example).digest


def test_a_default_written_out_does_not_count(write, example: Path):
    path = write(("{data_arrived: every}", "{data_arrived: every, drift: true}"))

    assert load_pipeline(path).digest == load_pipeline(example).digest


def test_the_place_of_the_file_does_not_count(tmp_path: Path, example: Path):
    shutil.copy(example, tmp_path / "other.yaml")

    assert load_pipeline(tmp_path / "other.yaml").digest == load_pipeline(example).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed: 7", "seed: 8"),
        ("features: [station, distance,", "features: [distance, station,"),
        ("learning_rate: 0.1", "learning_rate: 0.2"),
        ("max: 500", "max: 501"),
        ("tolerance: 6h", "tolerance: 7h"),
        ("approval: human", "approval: automatic"),
    ],
)
def test_a_change_of_meaning_counts(write, example: Path, old: str, new: str):
    assert load_pipeline(write((old, new))).digest != load_pipeline(example).digest
