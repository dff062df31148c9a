"""The models: a logistic regression of 30 features, and one that gives back a row of 1 MB."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from tidemill_contracts.manifest import GOLDEN_FILE, MODEL_FILE, Golden, GoldenTensor, Manifest, TensorSpec
from tidemill_runtime.artifacts import ArtifactStore

from benchmarks.gateway.bodies import INPUT, Row

FEATURES = 30
LARGE = 262_144
TOLERANCE = 1e-4
GOLDEN_ROWS = 4


@dataclass(frozen=True)
class Network:
    """An ONNX model, its signature, and rows to ask it with, float32 of shape [rows, width]."""

    onnx: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    rows: Row

    def answers(self, rows: Row) -> list[np.ndarray]:
        """What ONNX Runtime gives for `rows`, in the order of `outputs`."""
        session = InferenceSession(self.onnx, providers=["CPUExecutionProvider"])
        found: Sequence[np.ndarray] = session.run([spec.name for spec in self.outputs], {INPUT: rows})
        return list(found)


@cache
def logistic() -> Network:
    """`x` FP32 [-1, 30] to `label` INT64 [-1, 1] and `probabilities` FP32 [-1, 2]."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(2000, FEATURES)).astype(np.float32)
    truths = rows @ random.normal(size=FEATURES) + random.normal(size=2000) > 0
    model = to_onnx(LogisticRegression().fit(rows, truths.astype(int)), rows[:1], options={"zipmap": False})
    outputs = (_spec("label", "INT64", 1), _spec("probabilities", "FP32", 2))
    return Network(_named(model), (_spec(INPUT, "FP32", FEATURES),), outputs, rows[:GOLDEN_ROWS])


@cache
def echo() -> Network:
    """`x` FP32 [-1, 262144], 1 MB a row, to `y` of the same shape and values."""
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, LARGE]) for name in (INPUT, "y")]
    graph = helper.make_graph([helper.make_node("Identity", [INPUT], ["y"])], "echo", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    row = (np.arange(LARGE, dtype=np.float32) % 7)[None, :]
    return Network(model.SerializeToString(), (_spec(INPUT, "FP32", LARGE),), (_spec("y", "FP32", LARGE),), row)


async def store(artifacts: ArtifactStore, model: str, network: Network, sample: float) -> str:
    """Store `network` as an artifact of `model`, a share `sample` of its predictions logged; the manifest's digest."""
    golden = Golden(
        inputs=_golden(network.inputs, [network.rows]),
        outputs=_golden(network.outputs, network.answers(network.rows)),
        tolerance=TOLERANCE,
    )
    files = {
        MODEL_FILE: await artifacts.put(network.onnx),
        GOLDEN_FILE: await artifacts.put(golden.model_dump_json().encode()),
    }
    manifest = Manifest.model_validate(
        {
            "format": "tidemill/manifest/v1",
            "model": model,
            "task": "classification",
            "files": files,
            "inputs": network.inputs,
            "outputs": network.outputs,
            "serving": {"log": {"sample": sample}},
            "candidate": {"name": "benchmark"},
            "lineage": {},
        }
    )
    return await artifacts.put(manifest.model_dump_json().encode())


def _spec(name: str, datatype: str, width: int) -> TensorSpec:
    return TensorSpec.model_validate({"name": name, "datatype": datatype, "shape": (-1, width)})


def _golden(specs: Sequence[TensorSpec], arrays: Sequence[np.ndarray]) -> tuple[GoldenTensor, ...]:
    return tuple(
        GoldenTensor(name=spec.name, datatype=spec.datatype, shape=array.shape, data=array.ravel().tolist())
        for spec, array in zip(specs, arrays, strict=True)
    )


def _named(model: onnx.ModelProto) -> bytes:
    """The converted classifier with its tensors named as the signature names them, and the label as a column."""
    graph = model.graph
    given, (label, probabilities) = graph.input[0].name, (output.name for output in graph.output)
    for node in graph.node:
        node.input[:] = [INPUT if name == given else name for name in node.input]
    graph.input[0].name = INPUT
    graph.initializer.append(helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]))
    graph.node.append(helper.make_node("Reshape", [label, "column"], ["label_column"]))
    _rename_outputs(graph, {label: "label_flat", "label_column": "label", probabilities: "probabilities"})
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, [None, 1]))
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]))
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _rename_outputs(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
