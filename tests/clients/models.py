"""The models that clients ask: an identity per datatype, a classifier, and one that takes its time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from clients.suites import samples
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
        shape, data = list(self.array.shape), samples.flat(self.array)
        return {"name": self.name, "datatype": self.datatype, "shape": shape, "data": data}


@dataclass(frozen=True)
class Model:
    """Nodes from inputs to outputs, with what the outputs are for the inputs' values."""

    nodes: Sequence[Any]
    inputs: Sequence[Values]
    outputs: Sequence[Values]
    constants: Sequence[Any] = ()

    def to_onnx(self) -> bytes:
        """The model as an ONNX file."""
        inputs, outputs = ([_value_info(item) for item in items] for items in (self.inputs, self.outputs))
        graph = helper.make_graph(self.nodes, "clients", inputs, outputs, initializer=self.constants)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()


def identity(datatype: str) -> Model:
    """What comes in goes out."""
    values = samples.sample(datatype)
    return Model(
        [helper.make_node("Identity", [samples.INPUT], [samples.OUTPUT])],
        [Values(samples.INPUT, datatype, values)],
        [Values(samples.OUTPUT, datatype, values)],
    )


def classifier() -> Model:
    """P(1) = sigmoid(distance / 1000 - stops + [carrier is UA] - 0.5), and the likelier class."""
    nodes = [
        helper.make_node("Mul", ["distance", "per_thousand"], ["far"]),
        helper.make_node("Cast", ["stops"], ["stopping"], to=TensorProto.FLOAT),
        helper.make_node("Equal", ["carrier", "united"], ["is_united"]),
        helper.make_node("Cast", ["is_united"], ["flown_by_united"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["far", "stopping"], ["direct"]),
        helper.make_node("Sum", ["direct", "flown_by_united", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=1),
    ]
    constants = [
        helper.make_tensor("per_thousand", TensorProto.FLOAT, [1], [0.001]),
        helper.make_tensor("bias", TensorProto.FLOAT, [1], [-0.5]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("united", TensorProto.STRING, [1], [b"UA"]),
    ]
    inputs = [Values(name, datatype, array) for name, (datatype, array) in samples.CLASSIFIER_INPUTS.items()]
    specs = (samples.LABELS, samples.PROBABILITIES)
    arrays = samples.classifier_outputs()
    outputs = [Values(name, datatype, array) for (name, datatype, _), array in zip(specs, arrays, strict=True)]
    return Model(nodes, inputs, outputs, constants)


def slow() -> Model:
    """Returns the rounds it was asked for after that many rounds of nothing."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["on"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.INT64, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.INT64, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceMax", [samples.INPUT], ["most"], keepdims=0),
        helper.make_node("Loop", ["most", "", samples.INPUT], [samples.OUTPUT], body=body),
    ]
    rounds = samples.VALUES["INT64"][1:3].reshape(-1, 1)
    return Model(nodes, [Values(samples.INPUT, "INT64", rounds)], [Values(samples.OUTPUT, "INT64", rounds)])


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
        "candidate": {"name": "clients"},
        "lineage": {},
    }


def _value_info(values: Values) -> Any:
    return helper.make_tensor_value_info(values.name, ONNX_TYPES[values.datatype], [None, values.array.shape[1]])
