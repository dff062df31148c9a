"""What each field of a row contributes to its answer: how much the answer changes when the field is missing.

Source: occlusion; M. Robnik-Sikonja, I. Kononenko, "Explaining Classifications For Individual Instances", TKDE 2008.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tidemill_contracts.manifest import Signature, TensorSpec
from tidemill_runtime.errors import InvalidInput

from tidemill_gateway.domain.json_values import pack
from tidemill_gateway.domain.tensors import BYTES, FLOATS, Tensor, pack_texts, to_array, unpack_texts


def occluded(signature: Signature, inputs: Sequence[Tensor], rows: int) -> tuple[list[str], list[Tensor]]:
    """Names of the fields that can be missing, f of them, and each row once without each: f * `rows` rows, by field.

    InvalidInput if none can.
    """
    fields = [spec for spec in signature.inputs if spec.datatype == BYTES or spec.datatype in FLOATS]
    if not fields:
        raise InvalidInput("no explanation: none of the model's fields can be missing")
    given = {tensor.name: tensor for tensor in inputs}
    columns = [_column(spec, given[spec.name], rows, [field.name for field in fields]) for spec in signature.inputs]
    return [field.name for field in fields], columns


def contributions(
    names: Sequence[str], answered: Sequence[Tensor], without: Sequence[Tensor], rows: int
) -> list[dict[str, Any]]:
    """By row, output and field: the answer less the answer without the field, one number per value of the output."""
    told: list[dict[str, Any]] = [{} for _ in range(rows)]
    others = {tensor.name: tensor for tensor in without}
    for tensor in answered:
        if tensor.datatype not in FLOATS:
            continue
        whole = to_array(tensor).astype(np.float64).reshape(rows, -1)
        changed = to_array(others[tensor.name]).astype(np.float64).reshape(len(names), rows, -1)
        for row, difference in enumerate(np.swapaxes(whole - changed, 0, 1)):
            told[row][tensor.name] = dict(zip(names, difference.tolist(), strict=True))
    return told


def _column(spec: TensorSpec, tensor: Tensor, rows: int, fields: Sequence[str]) -> Tensor:
    shape = (rows * len(fields), *spec.shape[1:])
    if spec.datatype == BYTES:
        texts = unpack_texts(tensor)
        parts = [[b""] * len(texts) if name == spec.name else texts for name in fields]
        return Tensor(spec.name, spec.datatype, shape, pack_texts([text for part in parts for text in part]))
    missing = pack(spec.name, spec.datatype, [None] * (rows * spec.width)) if spec.datatype in FLOATS else b""
    return Tensor(
        spec.name, spec.datatype, shape, b"".join(missing if name == spec.name else tensor.raw for name in fields)
    )
