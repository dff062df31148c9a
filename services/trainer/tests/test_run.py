"""One run on a real Delta table, up to the files it leaves."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from tidemill.v1.training_pb2 import ModelTrained
from tidemill_runtime.errors import InvalidInput
from tidemill_trainer.training.run import execute
from tidemill_trainer.training.spec import Champion, RunSpec

TORCH_CODE = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from tidemill_trainer.algorithms.encoding import for_linear_models


class Net(ClassifierMixin, BaseEstimator):
    def fit(self, features, labels):
        import torch

        torch.manual_seed(1)
        self.classes_ = np.array([0, 1])
        self.module_ = torch.nn.Linear(features.shape[1], 2)
        return self

    def predict_proba(self, features):
        import torch

        with torch.inference_mode():
            return torch.softmax(self.module_(torch.tensor(features, dtype=torch.float32)), 1).numpy()


def build(algorithm, hyperparameters, features, seed):
    return Pipeline([("features", for_linear_models(features)), ("model", Net())])
"""


def _file(spec: RunSpec, name: str) -> bytes:
    return (spec.directory / "artifacts" / name).read_bytes()


def _with_code(spec: RunSpec, code: str) -> RunSpec:
    (spec.pipeline_file.parent / "training.py").write_text(code)
    return spec


def test_the_better_candidate_of_the_validation_rows_wins(spec: RunSpec) -> None:
    event = execute(spec)

    by_name = {one.name: one for one in event.candidates}
    assert set(by_name) == {"trees", "line"}
    assert all(one.error == "" and one.parity_error <= 1e-4 for one in event.candidates)
    best = max(event.candidates, key=lambda one: one.validation_metrics["auc"])
    assert event.winner.name == best.name
    assert best.test_metrics["auc"] > 0.7
    assert set(best.test_metrics) == {"auc", "log_loss", "accuracy", "precision", "recall", "f1"}
    assert (event.train_rows, event.validation_rows, event.test_rows) == (720, 240, 240)
    assert event.lineage.trained_until.ToDatetime() == datetime(2024, 1, 1, 15, 59)
    assert not event.HasField("incumbent")


def test_the_artifact_names_its_files_by_digest(spec: RunSpec) -> None:
    event = execute(spec)

    manifest = json.loads(_file(spec, "manifest.json"))
    assert hashlib.sha256(_file(spec, "manifest.json")).hexdigest() == event.artifact_digest
    for name in ("model.onnx", "golden.json", "reference.pb"):
        assert manifest["files"][name] == hashlib.sha256(_file(spec, name)).hexdigest()
    assert manifest["inputs"] == [
        {"name": "size", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "weight", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "colour", "datatype": "BYTES", "shape": [-1, 1]},
    ]
    assert manifest["outputs"][1] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}
    assert "cause" not in manifest["lineage"]
    assert ModelTrained.FromString((spec.directory / "model-trained.pb").read_bytes()) == event


def test_golden_rows_hold_missing_and_unseen_values_and_what_the_model_says(spec: RunSpec) -> None:
    import onnxruntime

    execute(spec)

    golden = json.loads(_file(spec, "golden.json"))
    inputs = {tensor["name"]: tensor for tensor in golden["inputs"]}
    assert None in inputs["size"]["data"]
    assert "" in inputs["colour"]["data"]
    assert any(value not in ("", "red", "green", "blue") for value in inputs["colour"]["data"])
    assert inputs["size"]["shape"] == [64, 1]
    feed = {
        name: np.array(tensor["data"], dtype=np.float32 if tensor["datatype"] == "FP32" else object).reshape(
            tensor["shape"]
        )
        for name, tensor in inputs.items()
    }
    session = onnxruntime.InferenceSession(_file(spec, "model.onnx"))
    answers = session.run([tensor["name"] for tensor in golden["outputs"]], feed)
    for answer, tensor in zip(answers, golden["outputs"], strict=True):
        assert list(answer.shape) == tensor["shape"]
        assert np.allclose(answer.ravel(), tensor["data"], atol=golden["tolerance"])


def test_the_same_data_pipeline_and_seed_give_the_identical_artifact(spec: RunSpec, tmp_path: Path) -> None:
    again = spec.model_copy(update={"directory": tmp_path / "again", "cause_event_id": "other", "parallel": 1})

    assert execute(spec).artifact_digest == execute(again).artifact_digest
    assert _file(spec, "model.onnx") == _file(again, "model.onnx")


def test_a_torch_module_behind_encodings_becomes_one_graph(spec: RunSpec, tmp_path: Path) -> None:
    _with_code(spec, TORCH_CODE)
    again = spec.model_copy(update={"directory": tmp_path / "again"})

    event = execute(spec)

    assert [one.error for one in event.candidates] == ["", ""]
    assert event.artifact_digest == execute(again).artifact_digest


def test_a_candidate_that_fails_is_out_and_the_others_go_on(spec: RunSpec) -> None:
    code = (
        "from tidemill_trainer import algorithms\n"
        "def build(algorithm, hyperparameters, features, seed):\n"
        "    if algorithm == 'logistic_regression':\n"
        "        raise RuntimeError('no such luck')\n"
        "    return algorithms.build(algorithm, hyperparameters, features, seed)\n"
    )

    event = execute(_with_code(spec, code))

    assert event.winner.name == "trees"
    assert "no such luck" in event.candidates[1].error


def test_a_candidate_whose_process_dies_is_out(spec: RunSpec) -> None:
    code = (
        "import os\n"
        "from tidemill_trainer import algorithms\n"
        "def build(algorithm, hyperparameters, features, seed):\n"
        "    if algorithm == 'logistic_regression':\n"
        "        os._exit(3)\n"
        "    return algorithms.build(algorithm, hyperparameters, features, seed)\n"
    )

    event = execute(_with_code(spec, code))

    assert event.winner.name == "trees"
    assert "process died" in event.candidates[1].error


def test_a_candidate_whose_onnx_form_answers_otherwise_is_refused(spec: RunSpec) -> None:
    code = (
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.pipeline import Pipeline\n"
        "from tidemill_trainer.algorithms.encoding import for_linear_models\n"
        "class Other(Pipeline):\n"
        "    def predict_proba(self, features):\n"
        "        return super().predict_proba(features)[:, ::-1]\n"
        "def build(algorithm, hyperparameters, features, seed):\n"
        "    return Other([('features', for_linear_models(features)), ('model', LogisticRegression())])\n"
    )

    with pytest.raises(InvalidInput, match="no candidate can serve"):
        execute(_with_code(spec, code))

    report = json.loads((spec.directory / "report.json").read_bytes())
    assert all("differs from the original" in one["error"] for one in report["candidates"])


def test_the_champion_is_measured_on_test_rows_that_neither_has_seen(spec: RunSpec, tmp_path: Path) -> None:
    execute(spec)
    champion = tmp_path / "champion.onnx"
    champion.write_bytes(_file(spec, "model.onnx"))
    until = datetime(2024, 1, 1, 16, 30, tzinfo=UTC)
    later = spec.model_copy(
        update={
            "directory": tmp_path / "later",
            "champion": Champion(version=3, model=champion, trained_until=until),
        }
    )

    event = execute(later)

    assert event.test_rows == 209
    assert event.incumbent.version == 3
    assert event.incumbent.test_metrics == event.winner.test_metrics


def test_a_champion_that_has_seen_the_test_rows_is_not_measured(spec: RunSpec, tmp_path: Path) -> None:
    execute(spec)
    champion = tmp_path / "champion.onnx"
    champion.write_bytes(_file(spec, "model.onnx"))
    until = datetime(2024, 1, 1, 19, 30, tzinfo=UTC)
    later = spec.model_copy(
        update={
            "directory": tmp_path / "later",
            "champion": Champion(version=3, model=champion, trained_until=until),
        }
    )

    event = execute(later)

    assert event.test_rows == 240
    assert event.incumbent.version == 3
    assert not event.incumbent.test_metrics


def test_the_report_draws_the_candidates(spec: RunSpec) -> None:
    execute(spec)

    report = json.loads((spec.directory / "report.json").read_bytes())
    one = report["candidates"][0]
    assert report["parts"]["test"]["rows"] == 240
    assert sum(map(sum, one["confusion_matrix"])) == 240
    assert one["roc"][0][0] == 0.0
    assert one["roc"][-1] == [1.0, 1.0]
    assert sum(cell["rows"] for cell in one["calibration"]) == 240


def test_a_data_version_that_is_not_there_is_refused(spec: RunSpec) -> None:
    with pytest.raises(InvalidInput, match="no version 9"):
        execute(spec.model_copy(update={"table_version": 9}))
