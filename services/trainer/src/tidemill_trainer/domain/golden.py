"""Golden inputs: rows with the outputs a server must give before it takes traffic."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from tidemill_contracts.manifest import Golden, GoldenTensor, Signature, TensorSpec

from tidemill_trainer.domain.canonical import canonical_json

UNSEEN = "\N{WHITE QUESTION MARK ORNAMENT} unseen"
TOLERANCE = 1e-4
Arrays = Mapping[str, npt.NDArray[Any]]


def golden_json(signature: Signature, inputs: Arrays, outputs: Arrays) -> bytes:
    """Canonical JSON in the tensor form of Open Inference Protocol V2: `inputs`, `outputs`, the `tolerance` allowed.

    A missing number (NaN) is null, for JSON has no NaN.
    """
    golden = Golden(
        inputs=tuple(_tensor(spec, inputs[spec.name]) for spec in signature.inputs),
        outputs=tuple(_tensor(spec, outputs[spec.name]) for spec in signature.outputs),
        tolerance=TOLERANCE,
    )
    return canonical_json(golden.model_dump())


def _tensor(spec: TensorSpec, values: npt.NDArray[Any]) -> GoldenTensor:
    data = [None if isinstance(value, float) and np.isnan(value) else value for value in values.ravel().tolist()]
    return GoldenTensor(name=spec.name, datatype=spec.datatype, shape=values.shape, data=data)
