"""JSON values to tensors, refusing what does not fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from tidemill_runtime.errors import InvalidInput

from tidemill_gateway.domain.tensors import (
    BFLOAT16,
    BYTES,
    DATATYPES,
    FLOATS,
    NUMPY_TYPES,
    Tensor,
    bfloat16_of,
    element_count,
    pack_texts,
)

_ACCEPTED: dict[str, tuple[type, ...]] = {"BOOL": (bool,), BYTES: (str,)}


def tensor_of(name: str, datatype: str, shape: tuple[int, ...], data: object) -> Tensor:
    """A tensor from JSON `data`, flat or nested; null is a missing number (NaN) or text ("").

    InvalidInput names the value that does not fit.
    """
    if datatype not in DATATYPES:
        raise InvalidInput(f"{name!r}: unknown datatype {datatype[:20]!r}")
    count = element_count(name, shape)
    values = _flat(name, data, max_depth=max(len(shape), 1))
    if len(values) != count:
        raise InvalidInput(f"{name!r}: {len(values)} values where shape {list(shape)} has {count}")
    for position, value in enumerate(values):
        _check(f"{name!r}, value {position}", datatype, value)
    return Tensor(name, datatype, shape, pack(name, datatype, values))


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object; InvalidInput if it is not one (NaN and Infinity are not JSON)."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidInput("the body is not a JSON object")
    return document


def pack(name: str, datatype: str, values: Sequence[Any]) -> bytes:
    """The binary form of values of the right type, None being missing; InvalidInput if one is out of range."""
    if datatype == BYTES:
        try:
            return pack_texts([(value or "").encode() for value in values])
        except UnicodeEncodeError:
            raise InvalidInput(f"{name!r}: a text is not valid Unicode") from None
    if datatype == BFLOAT16:
        return bfloat16_of(np.array([np.nan if value is None else value for value in values], dtype="<f4"))
    dtype = NUMPY_TYPES[datatype]
    try:
        with np.errstate(over="ignore"):
            array = np.array([np.nan if value is None else value for value in values], dtype=dtype)
    except OverflowError:
        raise InvalidInput(f"{name!r}: a value is out of the range of {datatype}") from None
    if datatype in FLOATS and np.isinf(array).any():
        raise InvalidInput(f"{name!r}: a value is out of the range of {datatype}")
    return array.tobytes()


def _check(where: str, datatype: str, value: object) -> None:
    if value is None and (datatype in FLOATS or datatype == BYTES):
        return
    accepted = _ACCEPTED.get(datatype) or ((int, float) if datatype in FLOATS else (int,))
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        raise InvalidInput(f"{where}: {shown(value)} is not {datatype}")


def _flat(name: str, data: object, max_depth: int) -> list[Any]:
    if not isinstance(data, list):
        raise InvalidInput(f"{name!r}: data is not an array")
    values: list[Any] = data
    for _ in range(max_depth - 1):
        if not any(isinstance(value, list) for value in values):
            return values
        if not all(isinstance(value, list) for value in values):
            raise InvalidInput(f"{name!r}: data mixes arrays and values")
        values = [value for part in values for value in part]
    if any(isinstance(value, list) for value in values):
        raise InvalidInput(f"{name!r}: data is nested deeper than its shape")
    return values


def shown(value: object) -> str:
    """A value as an error message shows it."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
