"""Tensors of the Open Inference Protocol and their binary form.

Numbers are little-endian and row-major; a BYTES element is its length (4 bytes, little-endian) and its bytes.
Source: https://github.com/kserve/open-inference-protocol and Triton's binary tensor data extension.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tidemill_runtime.errors import InvalidInput

BYTES = "BYTES"
BFLOAT16 = "BF16"
NUMPY_TYPES = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
SIZES = {name: dtype.itemsize for name, dtype in NUMPY_TYPES.items()} | {BFLOAT16: 2}
DATATYPES = frozenset({*SIZES, BYTES})
FLOATS = frozenset({"FP16", BFLOAT16, "FP32", "FP64"})
MAX_ELEMENTS = 1 << 31


@dataclass(frozen=True)
class Tensor:
    """A named tensor in its binary form."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    raw: bytes


def element_count(name: str, shape: Sequence[int]) -> int:
    """Product of the dimensions; InvalidInput if one is negative or the product is out of reason."""
    if any(size < 0 for size in shape):
        raise InvalidInput(f"{name!r}: shape {list(shape)} has a negative dimension")
    count = math.prod(shape)
    if count > MAX_ELEMENTS:
        raise InvalidInput(f"{name!r}: shape {list(shape)} has more than {MAX_ELEMENTS} elements")
    return count


def unpack_texts(tensor: Tensor) -> list[bytes]:
    """Elements of a BYTES tensor; InvalidInput if their number or lengths do not add up."""
    count = element_count(tensor.name, tensor.shape)
    raw, end = tensor.raw, len(tensor.raw)
    if count * 4 > end:
        raise InvalidInput(f"{tensor.name!r}: {end} bytes cannot hold {count} BYTES elements")
    elements: list[bytes] = []
    position = 0
    for _ in range(count):
        if position + 4 > end:
            raise InvalidInput(f"{tensor.name!r}: {len(elements)} BYTES elements where the shape has {count}")
        (length,) = struct.unpack_from("<I", raw, position)
        position += 4
        if position + length > end:
            raise InvalidInput(f"{tensor.name!r}: element {len(elements)} is longer than the data")
        elements.append(raw[position : position + length])
        position += length
    if position != end:
        raise InvalidInput(f"{tensor.name!r}: {end - position} bytes left over after {count} BYTES elements")
    return elements


def pack_texts(elements: Sequence[bytes]) -> bytes:
    """The binary form of BYTES elements."""
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def to_array(tensor: Tensor) -> NDArray[np.generic]:
    """A numeric tensor's values in its shape: a view of its bytes, of BF16 a copy as single precision."""
    if tensor.datatype == BFLOAT16:
        widened = np.frombuffer(tensor.raw, dtype="<u2").astype("<u4") << 16
        return widened.view("<f4").reshape(tensor.shape)
    return np.frombuffer(tensor.raw, dtype=NUMPY_TYPES[tensor.datatype]).reshape(tensor.shape)


def bfloat16_of(values: NDArray[np.float32]) -> bytes:
    """Single precision values as BF16: rounded to nearest, ties to even; NaN stays NaN."""
    bits = values.view("<u4").astype("<u8")
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype("<u2").tobytes()


def to_numbers(tensor: Tensor) -> list[float]:
    """A numeric tensor's values as floats, row-major."""
    values: list[float] = to_array(tensor).astype(np.float64).ravel().tolist()
    return values


def to_texts(tensor: Tensor) -> list[str]:
    """A BYTES tensor's values as text, undecodable bytes replaced."""
    return [element.decode("utf-8", "replace") for element in unpack_texts(tensor)]
