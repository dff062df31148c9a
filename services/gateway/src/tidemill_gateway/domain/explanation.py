"""What each field of a row contributes to its answer: how much the answer changes when the field is missing.

Source: occlusion; M. Robnik-Sikonja, I. Kononenko, "Explaining Classifications For Individual Instances", TKDE 2008.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tidemill_contracts.manifest import Manifest, Signature, TensorSpec
from tidemill_runtime.errors import InvalidInput

from tidemill_gateway.domain.json_values import pack
from tidemill_gateway.domain.tensors import BYTES, FLOATS, Tensor, pack_texts, to_array, unpack_texts


def check_explainable(manifest: Manifest) -> None:
    """InvalidInput unless some field of the model can be missing."""
    if manifest.serving.missing == "refuse":
        raise InvalidInput("no explanation: the model takes no missing values (serving.missing: refuse)")
    if not _fields(manifest):
        raise InvalidInput("no explanation: none of the model's fields can be missing")


def occluded(
    signature: Signature, inputs: Sequence[Tensor], rows: int, max_rows: int
) -> tuple[list[str], list[list[Tensor]]]:
    """Names of the fields that can be missing; and the `rows` rows without each, by field, in parts of whole fields'
    rows, at most `max_rows` each (`rows` is no more than that)."""
    fields = _fields(signature)
    given = {tensor.name: tensor for tensor in inputs}
    step = max(max_rows // rows, 1)
    parts = [fields[start : start + step] for start in range(0, len(fields), step)]
    return fields, [[_column(spec, given[spec.name], rows, part) for spec in signature.inputs] for part in parts]


def contributions(
    names: Sequence[str], answered: Sequence[Tensor], without: Sequence[Sequence[Tensor]], rows: int
) -> list[dict[str, Any]]:
    """By row, output and field: the answer less the answer without the field, one number per value of the output."""
    told: list[dict[str, Any]] = [{} for _ in range(rows)]
    for place, tensor in enumerate(answered):
        if tensor.datatype not in FLOATS:
            continue
        whole = to_array(tensor).astype(np.float64).reshape(rows, -1)
        changed = np.concatenate(
            [to_array(part[place]).astype(np.float64).reshape(-1, *whole.shape) for part in without]
        )
        for row, difference in enumerate(np.swapaxes(whole - changed, 0, 1)):
            told[row][tensor.name] = dict(zip(names, difference.tolist(), strict=True))
    return told


def _fields(signature: Signature) -> list[str]:
    return [spec.name for spec in signature.inputs if spec.datatype == BYTES or spec.datatype in FLOATS]


def _column(spec: TensorSpec, tensor: Tensor, rows: int, fields: Sequence[str]) -> Tensor:
    shape = (rows * len(fields), *spec.shape[1:])
    if spec.datatype == BYTES:
        texts = unpack_texts(tensor)
        parts = [[b""] * len(texts) if name == spec.name else texts for name in fields]
        return Tensor(spec.name, spec.datatype, shape, pack_texts([text for part in parts for text in part]))
    missing = pack(spec.name, spec.datatype, [None] * (rows * spec.width)) if spec.datatype in FLOATS else b""
    raw = b"".join(missing if name == spec.name else tensor.raw for name in fields)
    return Tensor(spec.name, spec.datatype, shape, raw)
