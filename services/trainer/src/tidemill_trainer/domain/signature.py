"""A model's tensors, as clients of the Open Inference Protocol see them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tidemill_contracts.pipeline import Pipeline

FeatureKind = Literal["category", "number"]


@dataclass(frozen=True)
class Tensor:
    """Name, V2 datatype and shape; -1 is the batch."""

    name: str
    datatype: Literal["BYTES", "FP32", "INT64"]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """One input per feature, and the task's outputs."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def as_json(self) -> dict[str, Any]:
        """Lists of `{"name", "datatype", "shape"}` under `inputs` and `outputs`."""
        return {
            part: [{**asdict(tensor), "shape": list(tensor.shape)} for tensor in tensors]
            for part, tensors in (("inputs", self.inputs), ("outputs", self.outputs))
        }


def feature_kinds(pipeline: Pipeline) -> dict[str, FeatureKind]:
    """Feature name to what it holds, in the pipeline's order."""
    return {name: "number" if field.is_numeric else "category" for name, field in pipeline.feature_fields.items()}


def signature(features: Mapping[str, FeatureKind], classes: int | None) -> Signature:
    """Inputs of shape [-1, 1]: FP32 for numbers (NaN missing), BYTES for categories ("" missing).

    Outputs: `label` INT64 [-1, 1] and `probabilities` FP32 [-1, classes], or without classes `prediction` FP32 [-1, 1].
    """
    inputs = tuple(Tensor(name, "FP32" if kind == "number" else "BYTES", (-1, 1)) for name, kind in features.items())
    if classes is None:
        return Signature(inputs, (Tensor("prediction", "FP32", (-1, 1)),))
    return Signature(inputs, (Tensor("label", "INT64", (-1, 1)), Tensor("probabilities", "FP32", (-1, classes))))
