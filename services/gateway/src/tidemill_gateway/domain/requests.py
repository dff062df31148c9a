"""Checks of an inference request against a model's signature, before anything reaches the server."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tidemill_runtime.errors import InvalidInput, TooLarge

from tidemill_gateway.domain.manifest import Signature, TensorSpec
from tidemill_gateway.domain.tensors import BYTES, FLOATS, Tensor, check_size, to_array, unpack_texts


@dataclass(frozen=True)
class RequestedOutput:
    """An output that the caller asks for."""

    name: str
    binary: bool


@dataclass(frozen=True)
class InferRequest:
    """What a V2 caller sends; no outputs means all of them."""

    id: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[RequestedOutput, ...] = ()
    binary_outputs: bool = False

    def inputs_for(self, signature: Signature) -> tuple[Tensor, ...]:
        """The inputs, for a model of `signature`; InvalidInput if it does not have a requested output."""
        known = {spec.name for spec in signature.outputs}
        for output in self.outputs:
            if output.name not in known:
                raise InvalidInput(f"unknown output {output.name[:100]!r}; the model gives {', '.join(sorted(known))}")
        return self.inputs


def check_inputs(signature: Signature, inputs: Sequence[Tensor], max_rows: int) -> int:
    """Number of rows of a request that may go to the server; InvalidInput or TooLarge gives the cause.

    NaN is a missing number and "" a missing text; infinities are refused.
    """
    given = {tensor.name: tensor for tensor in inputs}
    known = {spec.name for spec in signature.inputs}
    if unknown := [tensor.name for tensor in inputs if tensor.name not in known]:
        raise InvalidInput(f"unknown input {unknown[0][:100]!r}; the model takes {', '.join(sorted(known))}")
    if len(given) != len(inputs):
        raise InvalidInput("an input is given twice")
    if missing := [spec.name for spec in signature.inputs if spec.name not in given]:
        raise InvalidInput(f"input {missing[0]!r} is missing")
    rows = given[signature.inputs[0].name].shape[0] if given[signature.inputs[0].name].shape else 0
    if rows > max_rows:
        raise TooLarge(f"{rows} rows in one request; at most {max_rows} are taken")
    for spec in signature.inputs:
        _check_input(spec, given[spec.name], rows)
    return rows


def _check_input(spec: TensorSpec, tensor: Tensor, rows: int) -> None:
    if tensor.datatype != spec.datatype:
        raise InvalidInput(f"input {spec.name!r} is {spec.datatype}, not {tensor.datatype[:20]}")
    if len(tensor.shape) != 2 or tensor.shape[1] != spec.width or tensor.shape[0] < 1:
        raise InvalidInput(f"input {spec.name!r} has shape {list(tensor.shape)}; [rows, {spec.width}] is expected")
    if tensor.shape[0] != rows:
        raise InvalidInput(f"input {spec.name!r} has {tensor.shape[0]} rows, others have {rows}")
    if spec.datatype == BYTES:
        _check_texts(spec, tensor)
        return
    check_size(tensor)
    if spec.datatype in FLOATS and np.isinf(to_array(tensor)).any():
        raise InvalidInput(f"input {spec.name!r} has an infinite value")


def _check_texts(spec: TensorSpec, tensor: Tensor) -> None:
    for row, element in enumerate(unpack_texts(tensor)):
        try:
            element.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidInput(f"input {spec.name!r}, row {row}: not UTF-8") from None
