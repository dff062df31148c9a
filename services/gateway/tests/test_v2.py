"""The V2 request and response over REST."""

import json
import struct

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_gateway.domain.tensors import Tensor, to_numbers, to_texts
from tidemill_gateway.domain.v2 import parse_request, render_response
from tidemill_runtime.errors import InvalidInput

DISTANCE = {"name": "distance", "datatype": "FP32", "shape": [1, 1]}


def body(**changes: object) -> bytes:
    return json.dumps({"inputs": [{**DISTANCE, "data": [1.5]}], **changes}).encode()


def binary(size: object, tail: bytes, **changes: object) -> tuple[bytes, str]:
    header = json.dumps({"inputs": [{**DISTANCE, "parameters": {"binary_data_size": size}, **changes}]}).encode()
    return header + tail, str(len(header))


def test_json_tensors() -> None:
    request = parse_request(body(id="a", outputs=[{"name": "label"}]), None)
    assert request.id == "a"
    assert to_numbers(request.inputs[0]) == [1.5]
    assert [(output.name, output.binary) for output in request.outputs] == [("label", False)]


def test_binary_tensors_are_taken_in_order() -> None:
    inputs = [
        {**DISTANCE, "parameters": {"binary_data_size": 4}},
        {"name": "temp", "datatype": "FP32", "shape": [1, 1], "data": [2.5]},
        {"name": "carrier", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": 6}},
    ]
    header = json.dumps({"inputs": inputs}).encode()
    request = parse_request(header + struct.pack("<f", 1.5) + b"\x02\0\0\0UA", str(len(header)))
    assert to_numbers(request.inputs[0]) == [1.5]
    assert to_numbers(request.inputs[1]) == [2.5]
    assert to_texts(request.inputs[2]) == ["UA"]


def test_binary_outputs_for_all_or_for_one() -> None:
    request = parse_request(
        body(
            parameters={"binary_data_output": True},
            outputs=[{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": False}}],
        ),
        None,
    )
    assert [output.binary for output in request.outputs] == [True, False]
    assert request.binary_outputs


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": None},
        {"inputs": {}},
        {"inputs": ["a"]},
        {"inputs": [{**DISTANCE, "name": 1, "data": [1]}]},
        {"inputs": [{**DISTANCE, "datatype": None, "data": [1]}]},
        {"inputs": [{**DISTANCE, "shape": [-1, 1], "data": [1]}]},
        {"inputs": [{**DISTANCE, "shape": [1.0, 1], "data": [1]}]},
        {"inputs": [{**DISTANCE, "shape": [True, 1], "data": [1]}]},
        {"inputs": [{**DISTANCE, "shape": [1] * 9, "data": [1]}]},
        {"inputs": [{**DISTANCE, "shape": [], "data": [1]}]},
        {"inputs": [DISTANCE]},
        {"inputs": [{**DISTANCE, "parameters": [], "data": [1]}, {**DISTANCE, "parameters": 3, "data": [1]}]},
        {"inputs": [{**DISTANCE, "parameters": {"shared_memory_region": "a"}}]},
        {"outputs": [{"name": "label", "parameters": {"shared_memory_region": "a"}}]},
        {"outputs": [{"name": "label", "parameters": {"classification": 2}}]},
        {"outputs": [{}]},
        {"outputs": "label"},
        {"parameters": {"binary_data_output": "yes"}},
        {"id": 5},
    ],
)
def test_a_malformed_request_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        parse_request(body(**changes), None)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"1", b'{"inputs":[{"data":[NaN]}]}', b'{"inputs": Infinity}', b"\xff"]
)
def test_what_is_not_a_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        parse_request(data, None)


@pytest.mark.parametrize("length", ["-1", "0", "x", "99999", "٣", ""])
def test_a_wrong_header_length_is_refused(length: str) -> None:
    with pytest.raises(InvalidInput, match="Inference-Header-Content-Length"):
        parse_request(body(), length)


@pytest.mark.parametrize(
    ("size", "tail", "changes"),
    [
        (4, b"abc", {}),
        (4, b"abcde", {}),
        (-4, b"abcd", {}),
        ("4", b"abcd", {}),
        (8, b"abcdefgh", {}),
        (4, b"abcd", {"data": [1.0]}),
    ],
)
def test_binary_data_must_be_just_as_declared(size: object, tail: bytes, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        parse_request(*binary(size, tail, **changes))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
mangled = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("distance") | json_values,
        "datatype": st.sampled_from(["FP32", "BYTES", "INT64", "BOOL", "UINT8"]) | json_values,
        "shape": st.lists(st.integers(-2, 3), max_size=3) | json_values,
        "data": json_values,
        "parameters": st.fixed_dictionaries({"binary_data_size": json_values}) | json_values,
    },
)


@given(inputs=st.lists(mangled, max_size=3) | json_values, tail=st.binary(max_size=20))
def test_any_request_is_read_or_refused(inputs: object, tail: bytes) -> None:
    header = orjson.dumps({"inputs": inputs})
    try:
        parse_request(header + tail, str(len(header)))
    except InvalidInput:
        return


def test_a_response_with_json_and_binary_outputs() -> None:
    label = Tensor("label", "INT64", (1, 1), struct.pack("<q", 1))
    probabilities = Tensor("probabilities", "FP32", (1, 2), np.array([0.25, np.nan], "<f4").tobytes())
    content, length = render_response(
        model="flights", version=3, request_id="", prediction_id="p", outputs=[(label, True), (probabilities, False)]
    )
    assert length is not None
    document = json.loads(content[:length])
    assert content[length:] == label.raw
    assert document["id"] == "p"
    assert document["outputs"][0] == {
        "name": "label",
        "datatype": "INT64",
        "shape": [1, 1],
        "parameters": {"binary_data_size": 8},
    }
    assert document["outputs"][1]["data"] == [0.25, None]
