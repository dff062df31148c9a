"""What a stored model says of itself: what is read, and what is refused."""

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from tidemill_contracts.manifest import CacheSpec, Datatype, Golden, LogSpec, Manifest, ServingSpec, TensorSpec

DOCUMENT: dict[str, Any] = {
    "format": "tidemill/manifest/v1",
    "model": "rides",
    "task": "classification",
    "files": {"model.onnx": "a" * 64, "golden.json": "b" * 64},
    "inputs": [
        {"name": "distance", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "image", "datatype": "UINT8", "shape": [-1, 4, 3, 2]},
    ],
    "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1, 1]}],
    "candidate": {"name": "boosting"},
    "lineage": {"seed": "7"},
}
GOLDEN: dict[str, Any] = {
    "inputs": [{"name": "image", "datatype": "UINT8", "shape": [1, 4, 3, 2], "data": [0] * 24}],
    "outputs": [{"name": "label", "datatype": "INT64", "shape": [1, 1], "data": [1]}],
    "tolerance": 1e-4,
}


def manifest(**changes: object) -> Manifest:
    return Manifest.model_validate_json(json.dumps(DOCUMENT | changes))


def tensor(**changes: object) -> dict[str, object]:
    return {"name": "a", "datatype": "FP32", "shape": [-1, 1]} | changes


def test_what_is_added_later_is_passed_over() -> None:
    assert manifest(colour="blue", serving={"retry": False, "colour": "blue"}).serving == ServingSpec(retry=False)


def test_a_manifest_survives_being_written_and_read() -> None:
    read = manifest(serving={"cache": {"entries": 5, "ttl": 60}, "log": {"hash": ["distance"]}})
    assert Manifest.model_validate_json(json.dumps(read.model_dump())) == read
    assert read.model_dump(exclude={"serving"}, mode="json") == DOCUMENT


def test_a_manifest_without_serving_is_served_by_the_defaults() -> None:
    assert manifest().serving == ServingSpec(
        missing="allow", cache=None, log=LogSpec(sample=1.0), concurrency=256, queue=1024, retry=True
    )


def test_serving_has_durations_in_seconds() -> None:
    assert manifest(serving={"cache": {"entries": 5, "ttl": 90}}).serving.cache == CacheSpec(entries=5, ttl=90.0)


def test_the_width_is_the_number_of_values_per_row() -> None:
    assert [spec.width for spec in manifest().inputs] == [1, 24]


@pytest.mark.parametrize("datatype", get_args(Datatype))
def test_every_datatype_of_the_protocol_is_taken(datatype: Any) -> None:
    assert TensorSpec(name="a", datatype=datatype, shape=(-1, 2)).datatype == datatype


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "tidemill/manifest/v2"},
        {"files": {"model.onnx": "a" * 64}},
        {"files": {"model.onnx": "../../etc/passwd", "golden.json": "b" * 64}},
        {"inputs": []},
        {"outputs": []},
        {"inputs": [tensor(shape=[-1])]},
        {"inputs": [tensor(shape=[1, 1])]},
        {"inputs": [tensor(shape=[-1, 0])]},
        {"inputs": [tensor(shape=[-1, 2, -1])]},
        {"inputs": [tensor(shape=[-1, *[1] * 8])]},
        {"inputs": [tensor(shape=[-1, 1.5])]},
        {"inputs": [tensor()] * 2},
        {"inputs": [tensor(name='a" }')]},
        {"inputs": [tensor(datatype="FP31")]},
        {"task": "clustering"},
        {"model": None},
        {"serving": None},
        {"serving": {"missing": "maybe"}},
        {"serving": {"retry": "true"}},
        {"serving": {"concurrency": 0}},
        {"serving": {"queue": -1}},
        {"serving": {"cache": {"entries": 1_000_001, "ttl": 1}}},
        {"serving": {"cache": {"entries": 1, "ttl": 0}}},
        {"serving": {"cache": {"entries": 1, "ttl": "1m"}}},
        {"serving": {"log": {"sample": 1.5}}},
        {"serving": {"log": {"hash": ["speed"]}}},
        {"serving": {"log": {"drop": ["label"]}}},
    ],
)
def test_a_manifest_that_cannot_be_served_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        manifest(**changes)


def test_golden_predictions_are_read() -> None:
    assert Golden.model_validate_json(json.dumps(GOLDEN)).inputs[0].shape == (1, 4, 3, 2)


@pytest.mark.parametrize(
    "changes", [{"inputs": []}, {"tolerance": 0}, {"tolerance": 0.1}, {"inputs": [tensor(shape=[1], data=[1])]}]
)
def test_golden_predictions_that_prove_nothing_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Golden.model_validate_json(json.dumps(GOLDEN | changes))
