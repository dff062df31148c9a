"""A model that the fake server can run: two numbers and a category in, two classes out."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tidemill_runtime.artifacts import ArtifactStore

from tidemill_gateway.domain.json_values import tensor_of
from tidemill_gateway.domain.tensors import Tensor, to_array, to_numbers, to_texts

INPUTS = (("distance", "FP32"), ("temp", "FP32"), ("carrier", "BYTES"))
OUTPUTS = (("label", "INT64", 1), ("probabilities", "FP32", 2))
LEAST_SCORE = -700.0
"""Any less counts as this: `exp` would overflow."""
ROWS: tuple[tuple[float | None, float | None, str], ...] = ((100.0, 20.0, "UA"), (2000.0, None, ""), (None, -5.5, "B6"))


@dataclass(frozen=True)
class FakeModel:
    """P(1) = sigmoid(bias + distance / 1000 - temp / 10 + carrier's length); a missing value adds nothing.

    `empty_outputs` has it answer without contents.
    """

    bias: float = 0.0
    empty_outputs: bool = False

    def run(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """`label` and `probabilities` of each row."""
        distance, temp = to_numbers(inputs["distance"]), to_numbers(inputs["temp"])
        rows = list(zip(distance, temp, to_texts(inputs["carrier"]), strict=True))
        positive = np.array([self._probability(*row) for row in rows], dtype="<f4")
        probabilities = np.stack([1 - positive, positive], axis=1)
        labels = (positive > 0.5).astype("<i8")
        contents = [b"", b""] if self.empty_outputs else [labels.tobytes(), probabilities.tobytes()]
        return [
            Tensor(name, datatype, (len(rows), width), raw)
            for (name, datatype, width), raw in zip(OUTPUTS, contents, strict=True)
        ]

    def _probability(self, distance: float, temp: float, carrier: str) -> float:
        terms = (self.bias, distance / 1000, -temp / 10, float(len(carrier)))
        score = sum(term for term in terms if not math.isnan(term))
        return 1 / (1 + math.exp(-max(score, LEAST_SCORE)))

    def to_onnx(self) -> bytes:
        """A file that is ONNX in form: an empty graph, and this model in its `doc_string`."""
        text = json.dumps(asdict(self)).encode()
        return b"\x08\x08" + b"\x32" + bytes([len(text)]) + text + b"\x3a\x00"

    @staticmethod
    def from_onnx(data: bytes) -> "FakeModel":
        """The model that `to_onnx` wrote."""
        return FakeModel(**json.loads(data[4 : 4 + data[3]]))


async def store_model(
    artifacts: ArtifactStore,
    model: str,
    fake: FakeModel,
    *,
    golden_of: FakeModel | None = None,
    onnx: bytes | None = None,
    serving: Mapping[str, Any] | None = None,
) -> str:
    """Store `fake` as an artifact of `model`, its golden outputs being those of `golden_of`; the manifest's digest."""
    files = {
        "model.onnx": await artifacts.put(fake.to_onnx() if onnx is None else onnx),
        "golden.json": await artifacts.put(golden_json(golden_of or fake)),
    }
    return await artifacts.put(manifest_json(model, files, serving))


def manifest_json(model: str, files: Mapping[str, str], serving: Mapping[str, Any] | None = None) -> bytes:
    """The manifest of a fake model with `files` (name to digest), served as `serving` says."""
    outputs = [{"name": name, "datatype": datatype, "shape": [-1, width]} for name, datatype, width in OUTPUTS]
    return _json(
        {
            "format": "tidemill/manifest/v1",
            "model": model,
            "task": "classification",
            "files": dict(files),
            "inputs": [{"name": name, "datatype": datatype, "shape": [-1, 1]} for name, datatype in INPUTS],
            "outputs": outputs,
            "candidate": {"name": "fake"},
            "lineage": {},
            "serving": dict(serving or {}),
        }
    )


def golden_rows() -> list[Tensor]:
    """The golden inputs as tensors."""
    return [
        _tensor(name, datatype, column)
        for (name, datatype), column in zip(INPUTS, zip(*ROWS, strict=True), strict=True)
    ]


def golden_json(fake: FakeModel) -> bytes:
    """Golden rows with the outputs of `fake`."""
    columns = zip(*ROWS, strict=True)
    inputs = [
        {"name": name, "datatype": datatype, "shape": [len(ROWS), 1], "data": list(column)}
        for (name, datatype), column in zip(INPUTS, columns, strict=True)
    ]
    right = FakeModel(fake.bias).run({tensor.name: tensor for tensor in golden_rows()})
    outputs = [
        {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
            "data": to_array(tensor).ravel().tolist(),
        }
        for tensor in right
    ]
    return _json({"inputs": inputs, "outputs": outputs, "tolerance": 1e-4})


def _tensor(name: str, datatype: str, column: Sequence[Any]) -> Tensor:
    return tensor_of(name, datatype, (len(column), 1), list(column))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
