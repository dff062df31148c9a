"""Models of a few ONNX nodes with what they answer, stored as a trainer would store them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from onnx import TensorProto, helper
from tidemill_runtime.artifacts import ArtifactStore

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
OPSET, IR_VERSION = 21, 10


@dataclass(frozen=True)
class Values:
    """A tensor of a model with golden values, [rows, width]."""

    name: str
    datatype: str
    array: Any

    @property
    def spec(self) -> dict[str, Any]:
        """The tensor as a manifest declares it."""
        return {"name": self.name, "datatype": self.datatype, "shape": [-1, self.array.shape[1]]}

    @property
    def golden(self) -> dict[str, Any]:
        """The tensor as a golden file gives it."""
        data = [value.decode() if isinstance(value, bytes) else value for value in self.array.ravel().tolist()]
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.array.shape), "data": data}


@dataclass(frozen=True)
class Model:
    """Nodes from inputs to outputs, with what the outputs are for the inputs' values, and how it is to be served."""

    nodes: Sequence[Any]
    inputs: Sequence[Values]
    outputs: Sequence[Values]
    constants: Sequence[Any] = ()
    serving: Mapping[str, Any] = field(default_factory=dict)

    def to_onnx(self) -> bytes:
        """The model as an ONNX file."""
        inputs, outputs = ([_value_info(item) for item in items] for items in (self.inputs, self.outputs))
        graph = helper.make_graph(self.nodes, "tests", inputs, outputs, initializer=self.constants)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()


def identity(values: Values, output: str) -> Model:
    """What comes in goes out."""
    nodes = [helper.make_node("Identity", [values.name], [output])]
    return Model(nodes, [values], [Values(output, values.datatype, values.array)])


def slow(rounds: Values, output: str) -> Model:
    """Returns the rounds it was asked for after that many rounds of nothing."""
    nodes = [
        helper.make_node("ReduceMax", [rounds.name], ["most"], keepdims=0),
        helper.make_node("Loop", ["most", "", rounds.name], [output], body=idle_round(TensorProto.INT64)),
    ]
    return Model(nodes, [rounds], [Values(output, rounds.datatype, rounds.array)])


def idle_round(element: int) -> Any:
    """Body of a Loop that hands on a tensor of this ONNX element type, and does nothing else."""
    return helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["on"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", element, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", element, None),
        ],
    )


async def store(artifacts: ArtifactStore, name: str, model: Model) -> str:
    """Store `model` as an artifact of the model `name`; the manifest's digest."""
    golden = {
        "inputs": [item.golden for item in model.inputs],
        "outputs": [item.golden for item in model.outputs],
        "tolerance": 1e-4,
    }
    files = {
        "model.onnx": await artifacts.put(model.to_onnx()),
        "golden.json": await artifacts.put(orjson.dumps(golden)),
    }
    return await artifacts.put(orjson.dumps(_manifest(name, model, files)))


def _manifest(name: str, model: Model, files: Mapping[str, str]) -> dict[str, Any]:
    return {
        "format": "tidemill/manifest/v1",
        "model": name,
        "task": "classification",
        "files": dict(files),
        "inputs": [item.spec for item in model.inputs],
        "outputs": [item.spec for item in model.outputs],
        "candidate": {"name": "tests"},
        "lineage": {},
        "serving": dict(model.serving),
    }


def _value_info(values: Values) -> Any:
    return helper.make_tensor_value_info(values.name, ONNX_TYPES[values.datatype], [None, values.array.shape[1]])
