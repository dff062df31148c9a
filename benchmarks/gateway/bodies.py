"""One row in the forms of the Open Inference Protocol V2: JSON, JSON with binary tensors, and gRPC."""

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

INPUT = "x"
JSON = {"Content-Type": "application/json"}

Row = npt.NDArray[np.float32]


def json_body(row: Row) -> bytes:
    """A REST body of one row, values as JSON numbers."""
    return _json({"inputs": [{**_head(row), "data": row.ravel().tolist()}]})


def binary_body(row: Row) -> tuple[bytes, dict[str, str]]:
    """A REST body of one row in binary form that asks for binary outputs, and its headers."""
    tensor = {**_head(row), "parameters": {"binary_data_size": row.nbytes}}
    head = _json({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return head + _raw(row), headers


def grpc_message(model: str, row: Row) -> dict[str, Any]:
    """A `ModelInferRequest` of one row with raw contents, in protobuf's JSON form."""
    contents = base64.b64encode(_raw(row)).decode()
    return {"model_name": model, "inputs": [_head(row)], "raw_input_contents": [contents]}


def _head(row: Row) -> dict[str, Any]:
    return {"name": INPUT, "datatype": "FP32", "shape": [1, row.size]}


def _raw(row: Row) -> bytes:
    return row.astype("<f4").tobytes()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
