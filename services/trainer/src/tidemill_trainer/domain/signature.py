"""A model's tensors, as clients of the Open Inference Protocol see them."""

from collections.abc import Mapping
from typing import Literal

from tidemill_contracts.manifest import Signature, TensorSpec
from tidemill_contracts.pipeline import Pipeline

FeatureKind = Literal["category", "number"]


def feature_kinds(pipeline: Pipeline) -> dict[str, FeatureKind]:
    """Feature name to what it holds, in the pipeline's order."""
    return {name: "number" if field.is_numeric else "category" for name, field in pipeline.feature_fields.items()}


def signature(features: Mapping[str, FeatureKind], classes: int | None) -> Signature:
    """Inputs of shape [-1, 1]: FP32 for numbers (NaN missing), BYTES for categories ("" missing).

    Outputs: `label` INT64 [-1, 1] and `probabilities` FP32 [-1, classes], or without classes `prediction` FP32 [-1, 1].
    """
    return Signature(
        inputs=tuple(_column(name, "FP32" if kind == "number" else "BYTES") for name, kind in features.items()),
        outputs=_outputs(classes),
    )


def _outputs(classes: int | None) -> tuple[TensorSpec, ...]:
    if classes is None:
        return (_column("prediction", "FP32"),)
    probabilities = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, classes))
    return (_column("label", "INT64"), probabilities)


def _column(name: str, datatype: Literal["FP32", "INT64", "BYTES"]) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=(-1, 1))
