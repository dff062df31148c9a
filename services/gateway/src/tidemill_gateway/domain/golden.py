"""Golden predictions: what a version must answer in the running server before it takes traffic."""

import math
from collections.abc import Sequence

import numpy as np
from tidemill_contracts.manifest import Golden, GoldenTensor, Signature, TensorSpec
from tidemill_runtime.errors import CorruptArtifact, InvalidInput

from tidemill_gateway.domain.json_values import tensor_of
from tidemill_gateway.domain.tensors import BYTES, FLOATS, SIZES, Tensor, to_array, to_texts


def golden_inputs(signature: Signature, golden: Golden, max_rows: int) -> list[Tensor]:
    """The golden rows, at most `max_rows` of them, as tensors; CorruptArtifact if they do not fit the signature."""
    try:
        tensors = [_first_rows(tensor, max_rows) for tensor in golden.inputs]
    except InvalidInput as error:
        raise CorruptArtifact(f"golden.json: {error}") from error
    forms = {tensor.name: (tensor.datatype, tensor.shape[1:]) for tensor in tensors}
    expected = {spec.name: (spec.datatype, spec.shape[1:]) for spec in signature.inputs}
    if forms != expected or len({tensor.shape[0] for tensor in tensors}) != 1:
        raise CorruptArtifact("golden.json: its inputs are not rows of what the model takes")
    return tensors


def difference(signature: Signature, golden: Golden, outputs: Sequence[Tensor], max_rows: int) -> str | None:
    """What differs from the golden outputs; None if floats agree within the tolerance and all else exactly."""
    given = {tensor.name: tensor for tensor in outputs}
    wanted = {tensor.name: tensor for tensor in golden.outputs}
    for spec in signature.outputs:
        if spec.name not in given or spec.name not in wanted:
            return f"output {spec.name!r} is missing"
        expected = _first_rows(wanted[spec.name], max_rows)
        cause = _output_fault(spec, given[spec.name], expected.shape[0])
        cause = cause or _deviation(given[spec.name], expected, golden.tolerance)
        if cause:
            return cause
    return None


def _output_fault(spec: TensorSpec, tensor: Tensor, rows: int) -> str | None:
    """What is wrong with the form of an output of `rows` rows; None if it is as the signature says."""
    shape = (rows, *spec.shape[1:])
    if tensor.datatype != spec.datatype or tensor.shape != shape:
        form = f"{tensor.datatype} {list(tensor.shape)}"
        return f"output {spec.name!r} is {form}, not {spec.datatype} {list(shape)}"
    needed = rows * spec.width * SIZES.get(spec.datatype, 4)
    if len(tensor.raw) < needed or (spec.datatype != BYTES and len(tensor.raw) != needed):
        return f"output {spec.name!r} has {len(tensor.raw)} bytes, not {needed}"
    return None


def _first_rows(tensor: GoldenTensor, max_rows: int) -> Tensor:
    shape = (min(tensor.shape[0], max_rows), *tensor.shape[1:])
    return tensor_of(tensor.name, tensor.datatype, shape, tensor.data[: math.prod(shape)])


def _deviation(tensor: Tensor, expected: Tensor, tolerance: float) -> str | None:
    if tensor.datatype != expected.datatype or tensor.shape != expected.shape:
        return f"golden output {expected.name!r} is {expected.datatype} {list(expected.shape)}"
    if tensor.datatype == BYTES:
        return None if to_texts(tensor) == to_texts(expected) else f"output {tensor.name!r} differs"
    got, wanted = to_array(tensor).astype(np.float64), to_array(expected).astype(np.float64)
    allowed = tolerance if tensor.datatype in FLOATS else 0.0
    if np.allclose(got, wanted, rtol=allowed, atol=allowed, equal_nan=True):
        return None
    return f"output {tensor.name!r} is off by up to {float(np.nanmax(np.abs(got - wanted), initial=0)):g}"
