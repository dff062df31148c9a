"""The V2 inference request and response over REST: JSON, then binary tensors in the order of their headers.

Source: https://github.com/kserve/open-inference-protocol (REST) and Triton's binary tensor data extension.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from tidemill_runtime.errors import InvalidInput

from tidemill_gateway.domain.json_values import tensor_of
from tidemill_gateway.domain.requests import InferRequest, RequestedOutput
from tidemill_gateway.domain.tensors import BYTES, Tensor, check_size, to_array, to_texts

MAX_TENSORS = 4096
MAX_DIMENSIONS = 8


def parse_request(body: bytes, header_length: str | None) -> InferRequest:
    """The request in `body`; `header_length` is the Inference-Header-Content-Length. InvalidInput gives the cause."""
    end = _json_length(body, header_length)
    document = parse_object(body[:end])
    reader = _Binary(body, end)
    inputs = tuple(_input(item, reader) for item in _items(document, "inputs"))
    reader.check_spent()
    parameters = _parameters(document, "request")
    binary = _flag(parameters, "binary_data_output")
    outputs = tuple(_output(item, binary) for item in _items(document, "outputs", required=False))
    request_id = document.get("id", "")
    if not isinstance(request_id, str):
        raise InvalidInput("id is not a text")
    return InferRequest(request_id, inputs, outputs, binary)


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object; InvalidInput if it is not one (NaN and Infinity are not JSON)."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidInput("the body is not a JSON object")
    return document


def render_response(
    *,
    model: str,
    version: int,
    request_id: str,
    prediction_id: str,
    outputs: Sequence[tuple[Tensor, bool]],
) -> tuple[bytes, int | None]:
    """The response's body and, if some outputs are binary, the length of its JSON part."""
    described: list[dict[str, Any]] = []
    tail: list[bytes] = []
    for tensor, binary in outputs:
        item: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if binary:
            item["parameters"] = {"binary_data_size": len(tensor.raw)}
            tail.append(tensor.raw)
        else:
            item["data"] = to_texts(tensor) if tensor.datatype == BYTES else to_array(tensor).ravel()
        described.append(item)
    header = orjson.dumps(
        {
            "model_name": model,
            "model_version": str(version),
            "id": request_id or prediction_id,
            "parameters": {"prediction_id": prediction_id},
            "outputs": described,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return (b"".join([header, *tail]), len(header)) if tail else (header, None)


class _Binary:
    """The bytes after the JSON, taken in order."""

    def __init__(self, body: bytes, start: int) -> None:
        self._body = body
        self._position = start

    def take(self, name: str, size: object) -> bytes:
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise InvalidInput(f"input {name!r}: binary_data_size is not a length")
        if self._position + size > len(self._body):
            raise InvalidInput(f"input {name!r}: the body ends before its {size} binary bytes")
        self._position += size
        return self._body[self._position - size : self._position]

    def check_spent(self) -> None:
        if left := len(self._body) - self._position:
            raise InvalidInput(f"{left} bytes left over after the last binary input")


def _json_length(body: bytes, header_length: str | None) -> int:
    if header_length is None:
        return len(body)
    is_number = header_length.isascii() and header_length.isdecimal() and len(header_length) < 12
    if not is_number or not 0 < int(header_length) <= len(body):
        raise InvalidInput("Inference-Header-Content-Length is not the length of a JSON part of the body")
    return int(header_length)


def _items(document: dict[str, Any], key: str, *, required: bool = True) -> list[dict[str, Any]]:
    items = document.get(key)
    if items is None and not required:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items) or (required and not items):
        raise InvalidInput(f"{key} is not an array of objects")
    if len(items) > MAX_TENSORS:
        raise InvalidInput(f"more than {MAX_TENSORS} {key}")
    return items


def _input(item: dict[str, Any], reader: _Binary) -> Tensor:
    name = _name(item, "an input")
    datatype = item.get("datatype")
    if not isinstance(datatype, str):
        raise InvalidInput(f"input {name!r} has no datatype")
    shape = _shape(name, item.get("shape"))
    parameters = _parameters(item, f"input {name!r}")
    if "binary_data_size" not in parameters:
        return tensor_of(name, datatype, shape, item.get("data"))
    if "data" in item:
        raise InvalidInput(f"input {name!r} has both data and binary_data_size")
    tensor = Tensor(name, datatype, shape, reader.take(name, parameters["binary_data_size"]))
    check_size(tensor)
    return tensor


def _output(item: dict[str, Any], binary_by_default: bool) -> RequestedOutput:
    name = _name(item, "an output")
    parameters = _parameters(item, f"output {name!r}")
    if parameters.get("classification"):
        raise InvalidInput(f"output {name!r}: the classification extension is not offered; read the probabilities")
    binary = _flag(parameters, "binary_data") if "binary_data" in parameters else binary_by_default
    return RequestedOutput(name, binary)


def _name(item: dict[str, Any], what: str) -> str:
    name = item.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"{what} has no name")
    return name[:256]


def _shape(name: str, shape: object) -> tuple[int, ...]:
    whole = isinstance(shape, list) and all(isinstance(size, int) and not isinstance(size, bool) for size in shape)
    if not isinstance(shape, list) or not whole or not 1 <= len(shape) <= MAX_DIMENSIONS:
        raise InvalidInput(f"input {name!r}: shape is not an array of 1 to {MAX_DIMENSIONS} whole numbers")
    return tuple(shape)


def _parameters(item: dict[str, Any], what: str) -> dict[str, Any]:
    parameters = item.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise InvalidInput(f"{what}: parameters is not an object")
    if any(str(key).startswith("shared_memory") for key in parameters):
        raise InvalidInput(f"{what}: shared memory is not offered")
    return parameters


def _flag(parameters: dict[str, Any], key: str) -> bool:
    value = parameters.get(key, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"parameter {key} is not true or false")
    return value
