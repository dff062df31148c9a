"""The models that clients ask: an identity per datatype, a classifier, and one that takes its time."""

import onnx_models
from clients.suites import samples
from onnx import TensorProto, helper
from onnx_models import Model, Values


def identity(datatype: str) -> Model:
    """What comes in goes out."""
    return onnx_models.identity(Values(samples.INPUT, datatype, samples.sample(datatype)), samples.OUTPUT)


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
    rounds = samples.VALUES["INT64"][1:3].reshape(-1, 1)
    return onnx_models.slow(Values(samples.INPUT, "INT64", rounds), samples.OUTPUT)
