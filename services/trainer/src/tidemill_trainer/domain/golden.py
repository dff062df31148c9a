"""Golden inputs: rows with the outputs a server must give before it takes traffic."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tidemill_trainer.domain.canonical import canonical_json
from tidemill_trainer.domain.signature import Signature, Tensor

UNSEEN = "\N{WHITE QUESTION MARK ORNAMENT} unseen"
TOLERANCE = 1e-4
Arrays = Mapping[str, npt.NDArray[Any]]


def golden_json(signature: Signature, inputs: Arrays, outputs: Arrays) -> bytes:
    """Canonical JSON in the tensor form of Open Inference Protocol V2: `inputs`, `outputs`, the `tolerance` allowed.

    A missing number (NaN) is null, for JSON has no NaN.
    """
    return canonical_json(
        {
            "inputs": [_tensor(tensor, inputs[tensor.name]) for tensor in signature.inputs],
            "outputs": [_tensor(tensor, outputs[tensor.name]) for tensor in signature.outputs],
            "tolerance": TOLERANCE,
        }
    )


def _tensor(tensor: Tensor, values: npt.NDArray[Any]) -> dict[str, Any]:
    data = [None if isinstance(value, float) and np.isnan(value) else value for value in values.ravel().tolist()]
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(values.shape), "data": data}
