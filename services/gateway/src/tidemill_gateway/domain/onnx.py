"""What is refused in an ONNX file: external data, which would have the server read other files.

The file is walked as protobuf by field numbers, down to its tensors, so its content counts and not its name.
Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections.abc import Iterator

from tidemill_runtime.errors import CorruptArtifact

MAX_DEPTH = 64
_CHILDREN: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_GRAPH = 7
_EXTERNAL_DATA = 13
_DATA_LOCATION = 14


def check_model(data: bytes) -> None:
    """CorruptArtifact if `data` is not an ONNX model or has external data."""
    view = memoryview(data)
    if not any(field == _GRAPH and isinstance(value, memoryview) for field, value in _fields(view)):
        raise CorruptArtifact("model.onnx is not an ONNX model: it has no graph")
    _check(view, "Model", 0)


def _check(view: memoryview, kind: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CorruptArtifact("model.onnx is nested too deeply")
    children = _CHILDREN[kind]
    for field, value in _fields(view):
        if kind == "Tensor" and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0)):
            raise CorruptArtifact("model.onnx has external data; store the weights inside")
        if field in children and isinstance(value, memoryview):
            _check(value, children[field], depth + 1)


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    position, end = 0, len(view)
    while position < end:
        tag, position = _varint(view, position)
        value: int | memoryview = 0
        match tag & 7:
            case 0:
                value, position = _varint(view, position)
            case 1:
                position += 8
            case 2:
                length, position = _varint(view, position)
                value = view[position : position + length]
                position += length
            case 5:
                position += 4
            case _:
                raise CorruptArtifact("model.onnx is not protobuf")
        if position > end:
            raise CorruptArtifact("model.onnx is cut short")
        yield tag >> 3, value


def _varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(view) and shift < 70:
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise CorruptArtifact("model.onnx is not protobuf")
