"""From a fitted estimator to one ONNX graph: text and numbers in, the signature's outputs out.

The same estimator gives the same bytes: what varies between exports of one model (documentation, source lines, the
order of attributes) is removed.
"""

import warnings
from typing import Any

import onnx
from onnx import compose, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline
from tidemill_contracts.manifest import Signature
from tidemill_runtime.errors import InvalidInput

from tidemill_trainer.training.export_torch import torch_graph

OPSET = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 9
MAX_MODEL_BYTES = 512 << 20


def to_onnx(estimator: Any, signature: Signature) -> bytes:
    """The serialised graph of a fitted scikit-learn estimator.

    A pipeline whose last step has a torch module under `module_` (encoded features, float32 [n, width], to logits
    [n, classes], or for regression to [n, 1]) is converted in two parts that are joined.
    Raises InvalidInput for what cannot be converted, and for classes other than 0, 1, … as the signature says.
    """
    classes = next((tensor.shape[1] for tensor in signature.outputs if tensor.name == "probabilities"), None)
    if classes is not None and list(estimator.classes_) != list(range(classes)):
        raise InvalidInput(f"the train part has classes {list(estimator.classes_)}, not 0 to {classes - 1}")
    with warnings.catch_warnings():
        # Its converters hand numpy's scalars to protobuf.
        warnings.simplefilter("ignore", DeprecationWarning)
        module = getattr(estimator[-1], "module_", None) if isinstance(estimator, Pipeline) else None
        if module is not None:
            graph = _joined(_converted(estimator[:-1], signature), module, classes)
        else:
            graph = _converted(estimator, signature)
    content = _canonical(_with_signature(graph, signature, classes)).SerializeToString(deterministic=True)
    if len(content) > MAX_MODEL_BYTES:
        raise InvalidInput(f"the model has {len(content)} bytes, more than {MAX_MODEL_BYTES}; make it smaller")
    return content


def _converted(estimator: Any, signature: Signature) -> onnx.ModelProto:
    inputs = [
        (tensor.name, (StringTensorType if tensor.datatype == "BYTES" else FloatTensorType)([None, 1]))
        for tensor in signature.inputs
    ]
    options = {"zipmap": False} if hasattr(estimator, "classes_") and hasattr(estimator, "predict") else None
    try:
        graph: onnx.ModelProto = convert_sklearn(estimator, "model", inputs, target_opset=OPSET, options=options)
    except Exception as error:
        raise InvalidInput(f"{type(estimator).__name__} cannot be converted to ONNX: {error}") from error
    return graph


def _joined(encoder: onnx.ModelProto, module: Any, classes: int | None) -> onnx.ModelProto:
    encoded = encoder.graph.output[0]
    width = encoded.type.tensor_type.shape.dim[1].dim_value
    opset = next((entry.version for entry in encoder.opset_import if entry.domain == ""), OPSET[""])
    network = torch_graph(module, width, opset, classes)
    for model in (encoder, network):
        model.ir_version = IR_VERSION
    network = compose.add_prefix(network, "network/")
    return compose.merge_models(encoder, network, io_map=[(encoded.name, network.graph.input[0].name)])


def _with_signature(model: onnx.ModelProto, signature: Signature, classes: int | None) -> onnx.ModelProto:
    """Rename and reshape the graph's outputs to the signature's."""
    graph = model.graph
    produced = [output.name for output in graph.output]
    del graph.output[:]
    columns = helper.make_tensor("tidemill/column", onnx.TensorProto.INT64, [2], [-1, 1])
    graph.initializer.append(columns)
    _rename(graph, {name: f"tidemill/{name}" for name in produced})
    last = f"tidemill/{produced[-1]}"
    if classes is None:
        graph.node.append(helper.make_node("Reshape", [last, columns.name], ["prediction"], "tidemill/prediction"))
    else:
        graph.node.append(helper.make_node("Identity", [last], ["probabilities"], "tidemill/probabilities"))
        label = f"tidemill/{produced[0]}"
        if len(produced) == 1:
            label = "tidemill/argmax"
            graph.node.append(helper.make_node("ArgMax", [last], [label], "tidemill/ArgMax", axis=1, keepdims=1))
        graph.node.append(helper.make_node("Reshape", [label, columns.name], ["label"], "tidemill/label"))
    types = {"INT64": onnx.TensorProto.INT64, "FP32": onnx.TensorProto.FLOAT}
    for tensor in signature.outputs:
        graph.output.append(helper.make_tensor_value_info(tensor.name, types[tensor.datatype], [None, tensor.shape[1]]))
    return model


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for node in graph.node:
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                tensors[index] = names.get(name, name)


def _canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """Free of what does not compute; checked."""
    model.producer_name = "tidemill"
    model.producer_version = ""
    model.domain = ""
    model.doc_string = ""
    model.ir_version = IR_VERSION
    model.graph.name = "model"
    model.graph.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
    imports = sorted((entry.domain, entry.version) for entry in model.opset_import)
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in imports)
    onnx.checker.check_model(model, full_check=True)
    return model
