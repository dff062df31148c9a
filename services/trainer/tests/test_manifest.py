"""The manifest that a run writes, and what it says of serving."""

import hashlib
import json

from tidemill.v1.training_pb2 import Lineage
from tidemill_contracts.manifest import CacheSpec, LogSpec, Manifest, ServingSpec
from tidemill_contracts.pipeline import Pipeline
from tidemill_contracts.serving import ServingOptions
from tidemill_trainer.domain.manifest import manifest, serving_spec
from tidemill_trainer.domain.signature import feature_kinds, signature

FILES = {"model.onnx": "a" * 64, "golden.json": "b" * 64}
BEFORE_SERVING = "769ce80b9635ebb6101d15f2faf20244e3f2564f2f1a0b47d239444c482036a3"


def pipeline(**changes: object) -> Pipeline:
    return Pipeline.model_validate(
        {
            "apiVersion": "tidemill/v1",
            "name": "toy",
            "model": "toy-model",
            "task": "classification",
            "sources": {
                "s": {"event_time": "at", "fields": {"at": {"type": "timestamp"}, "x": {"type": "float"}}},
                "w": {"event_time": "at", "fields": {"at": {"type": "timestamp"}, "rain": {"type": "category"}}},
            },
            "primary": "s",
            "joins": [{"source": "w", "on": ["at"], "tolerance": "1h"}],
            "label": {"name": "y", "delay": "1d", "classes": 3},
            "features": ["x", "w.rain"],
            "seed": 1,
            "training_code": "t.py",
            "candidates": [{"name": "a", "algorithm": "b"}],
            "metrics": ["auc"],
            "primary_metric": "auc",
        }
        | changes
    )


def written(made_of: Pipeline) -> bytes:
    return manifest(
        made_of,
        files=FILES,
        signature=signature(feature_kinds(made_of), made_of.label.classes),
        candidate={"name": "a", "algorithm": "b", "hyperparameters": "{}"},
        lineage=Lineage(pipeline="toy", data_version=3, seed=1, cause_event_id="e"),
    )


def test_what_is_written_is_what_the_gateway_reads() -> None:
    read = Manifest.model_validate_json(written(pipeline()))

    assert (read.model, read.task, read.files) == ("toy-model", "classification", FILES)
    assert [(spec.name, spec.datatype, spec.shape) for spec in (*read.inputs, *read.outputs)] == [
        ("x", "FP32", (-1, 1)),
        ("w_rain", "BYTES", (-1, 1)),
        ("label", "INT64", (-1, 1)),
        ("probabilities", "FP32", (-1, 3)),
    ]
    assert read.lineage == {"pipeline": "toy", "data_version": "3", "seed": "1"}


def test_but_for_serving_the_bytes_are_those_written_before_there_was_serving() -> None:
    document = json.loads(written(pipeline()))
    document.pop("serving")

    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == BEFORE_SERVING


def test_the_defaults_of_the_pipeline_are_those_of_a_manifest_without_serving() -> None:
    assert serving_spec(ServingOptions()) == ServingSpec()


def test_serving_is_written_in_seconds_and_by_tensor_names() -> None:
    given = {
        "missing": "refuse",
        "cache": {"entries": 10, "ttl": "5m"},
        "log": {"sample": 0.5, "hash": ["w.rain"]},
        "concurrency": 8,
        "queue": 0,
        "retry": False,
    }

    assert Manifest.model_validate_json(written(pipeline(serving=given))).serving == ServingSpec(
        missing="refuse",
        cache=CacheSpec(entries=10, ttl=300.0),
        log=LogSpec(sample=0.5, hash=("w_rain",)),
        concurrency=8,
        queue=0,
        retry=False,
    )
