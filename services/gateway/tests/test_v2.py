"""The V2 request over REST as it is read, and the response."""

import json
import struct

import httpx
import numpy as np
import orjson
import pytest
from gateway_helpers import INFER, v2_body
from hypothesis import given
from hypothesis import strategies as st
from tidemill_dataplane import read_body
from tidemill_gateway.domain.tensors import Tensor, to_numbers, to_texts
from tidemill_gateway.testing.running import RunningGateway

DISTANCE = {"name": "distance", "datatype": "FP32", "shape": [1, 1]}


def body(**changes: object) -> bytes:
    return json.dumps({"inputs": [{**DISTANCE, "data": [1.5]}], **changes}).encode()


def binary(size: object, tail: bytes, **changes: object) -> tuple[bytes, int]:
    header = json.dumps({"inputs": [{**DISTANCE, "parameters": {"binary_data_size": size}, **changes}]}).encode()
    return header + tail, len(header)


def tensors(body: bytes, json_length: int | None = None) -> list[Tensor]:
    _, inputs, _ = read_body(body, json_length)
    return [Tensor(name, datatype, tuple(shape), raw) for name, datatype, shape, raw in inputs]


def test_json_tensors() -> None:
    request_id, inputs, outputs = read_body(body(id="a", outputs=[{"name": "label"}]))
    assert request_id == "a"
    assert inputs == [("distance", "FP32", [1, 1], struct.pack("<f", 1.5))]
    assert outputs == [("label", False)]


def test_binary_tensors_are_taken_in_order() -> None:
    inputs = [
        {**DISTANCE, "parameters": {"binary_data_size": 4}},
        {"name": "temp", "datatype": "FP32", "shape": [1, 1], "data": [2.5]},
        {"name": "carrier", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": 6}},
    ]
    header = json.dumps({"inputs": inputs}).encode()
    distance, temp, carrier = tensors(header + struct.pack("<f", 1.5) + b"\x02\0\0\0UA", len(header))
    assert to_numbers(distance) == [1.5]
    assert to_numbers(temp) == [2.5]
    assert to_texts(carrier) == ["UA"]


def test_binary_outputs_for_all_or_for_one() -> None:
    wanted = [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": False}}]
    _, _, outputs = read_body(body(parameters={"binary_data_output": True}, outputs=wanted))
    assert outputs == [("label", True), ("probabilities", False)]


def test_a_body_without_json_is_a_bare_tensor() -> None:
    assert read_body(b"\0\0\0\0", 0) == ("", [], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": None},
        {"inputs": {}},
        {"inputs": ["a"]},
        {"inputs": []},
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
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        read_body(body(**changes))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"1", b'{"inputs":[{"data":[NaN]}]}', b'{"inputs": Infinity}', b"\xff"]
)
def test_what_is_not_a_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="JSON"):
        read_body(data)


@pytest.mark.parametrize(
    "document", [["a", None, [DISTANCE | {"data": [1.5]}], []], {"inputs": [["distance", "FP32", [1, 1], None, [1.5]]]}]
)
def test_fields_are_known_by_their_names_and_not_by_their_places(document: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|array of objects"):
        read_body(json.dumps(document).encode())


@pytest.mark.parametrize("length", [len(body()) + 1, 99999])
def test_json_that_is_longer_than_the_body_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="Inference-Header-Content-Length"):
        read_body(body(), length)


@pytest.mark.parametrize("length", ["-1", "x", "99999", "٣", "", "9" * 30])
async def test_a_wrong_header_length_is_refused(running: RunningGateway, http: httpx.AsyncClient, length: str) -> None:
    await running.serve()
    headers = {"Inference-Header-Content-Length": length.encode()}
    response = await http.post(INFER, json=v2_body(), headers=headers)
    assert response.status_code == 400
    assert "Inference-Header-Content-Length" in response.json()["error"]


@pytest.mark.parametrize(
    ("size", "tail", "changes"),
    [
        (4, b"abc", {}),
        (4, b"abcde", {}),
        (-4, b"abcd", {}),
        ("4", b"abcd", {}),
        (2**64 - 1, b"abcd", {}),
        (4, b"abcd", {"data": [1.0]}),
    ],
)
def test_binary_data_must_be_just_as_declared(size: object, tail: bytes, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"distance|left over"):
        read_body(*binary(size, tail, **changes))


async def test_binary_data_must_fit_the_shape(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    document = v2_body()
    document["inputs"][0] = {**DISTANCE, "parameters": {"binary_data_size": 8}}
    header = json.dumps(document).encode()
    response = await http.post(
        INFER, content=header + b"abcdefgh", headers={"Inference-Header-Content-Length": str(len(header))}
    )
    assert (response.status_code, "8 bytes" in response.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("datatype", "data", "raw"),
    [
        ("BOOL", [True, False], b"\1\0"),
        ("INT8", [-128, 127], b"\x80\x7f"),
        ("INT16", [-2, 3], struct.pack("<2h", -2, 3)),
        ("INT32", [-(2**31), 2**31 - 1], struct.pack("<2i", -(2**31), 2**31 - 1)),
        ("INT64", [-(2**63), 2**63 - 1], struct.pack("<2q", -(2**63), 2**63 - 1)),
        ("UINT8", [0, 255], b"\0\xff"),
        ("UINT16", [0, 65535], struct.pack("<2H", 0, 65535)),
        ("UINT32", [0, 2**32 - 1], struct.pack("<2I", 0, 2**32 - 1)),
        ("UINT64", [0, 2**64 - 1], struct.pack("<2Q", 0, 2**64 - 1)),
        ("FP32", [1, 0.1], struct.pack("<2f", 1, 0.1)),
        ("FP64", [1, 0.1], struct.pack("<2d", 1, 0.1)),
        ("BYTES", [None, "ü"], b"\0\0\0\0\2\0\0\0\xc3\xbc"),
    ],
)
def test_every_datatype_is_read_from_flat_and_nested_json(datatype: str, data: list[object], raw: bytes) -> None:
    for given_data in (data, [[value] for value in data]):
        (tensor,) = tensors(body(inputs=[{"name": "x", "datatype": datatype, "shape": [2, 1], "data": given_data}]))
        assert (tensor.datatype, tensor.shape, tensor.raw) == (datatype, (2, 1), raw)


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_null_is_a_missing_number(datatype: str) -> None:
    (tensor,) = tensors(body(inputs=[{"name": "x", "datatype": datatype, "shape": [1, 1], "data": [None]}]))
    assert np.isnan(to_numbers(tensor)).all()


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", ["1"]),
        ("FP32", [True]),
        ("FP32", [1e39]),
        ("FP32", [10**400]),
        ("FP32", [{}]),
        ("FP32", [[[1.0]]]),
        ("FP32", [[1.0], 2.0]),
        ("FP32", [1.0, 2.0]),
        ("FP32", []),
        ("FP32", 1.0),
        ("FP32", None),
        ("INT64", [1.5]),
        ("INT64", [None]),
        ("INT64", [2**63]),
        ("INT8", [128]),
        ("UINT8", [-1]),
        ("UINT64", [2**64]),
        ("BOOL", [1]),
        ("BYTES", [1]),
        ("BYTES", ["\ud800"]),
        ("FP16", [1.0]),
        ("BF16", [1.0]),
        ("TEXT", ["a"]),
    ],
)
def test_json_that_does_not_fit_is_refused(datatype: str, data: object) -> None:
    with pytest.raises(ValueError, match="'x'"):
        read_body(body(inputs=[{"name": "x", "datatype": datatype, "shape": [1, 1], "data": data}]))


def test_a_shape_that_overflows_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        read_body(body(inputs=[{"name": "x", "datatype": "FP32", "shape": [2**40, 2**40], "data": []}]))


@given(st.lists(st.floats(width=32, allow_infinity=False), min_size=1, max_size=10))
def test_floats_from_json_keep_their_bits(values: list[float]) -> None:
    data = [None if value != value else value for value in values]
    (tensor,) = tensors(body(inputs=[{"name": "x", "datatype": "FP32", "shape": [len(data), 1], "data": data}]))
    np.testing.assert_array_equal(to_numbers(tensor), values)


@given(st.lists(st.text(), min_size=1, max_size=10))
def test_texts_from_json_are_kept(values: list[str]) -> None:
    content = orjson.dumps({"inputs": [{"name": "x", "datatype": "BYTES", "shape": [len(values), 1], "data": values}]})
    (tensor,) = tensors(content)
    assert to_texts(tensor) == values


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
        read_body(header + tail, len(header))
    except ValueError:
        return


@given(st.binary(max_size=200), st.none() | st.integers(0, 250))
def test_any_bytes_are_read_or_refused(data: bytes, json_length: int | None) -> None:
    try:
        read_body(data, json_length)
    except ValueError:
        return


@pytest.mark.parametrize("depth", [1000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    with pytest.raises(ValueError, match="nested"):
        read_body(b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": ' + nested + b"}]}")


async def test_a_response_with_json_and_binary_outputs(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve(bias=-3.0)
    wanted = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    response = await http.post(INFER, json=v2_body(outputs=wanted))
    length = int(response.headers["Inference-Header-Content-Length"])
    document = json.loads(response.content[:length])
    assert response.content[length:] == struct.pack("<q", 0)
    assert document["id"] == document["parameters"]["prediction_id"] == response.headers["tidemill-prediction-id"]
    assert document["outputs"][0] == {
        "name": "label",
        "datatype": "INT64",
        "shape": [1, 1],
        "parameters": {"binary_data_size": 8},
    }
    assert document["outputs"][1] == {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [1, 2],
        "data": [0.5, 0.5],
    }


async def test_outputs_come_in_the_order_that_is_asked_for(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    response = await http.post(INFER, json=v2_body(outputs=[{"name": "probabilities"}, {"name": "label"}]))
    assert [output["name"] for output in response.json()["outputs"]] == ["probabilities", "label"]


async def test_a_number_that_json_cannot_give_is_null(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    running.triton.loaded["flights-v1"] = GivesNothing()
    response = await http.post(INFER, json=v2_body())
    assert response.json()["outputs"][1]["data"] == [0.25, None]


async def test_texts_of_a_caller_are_escaped_in_the_response(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    request_id = 'a"\\\n\u2028ü'
    assert (await http.post(INFER, json=v2_body(id=request_id))).json()["id"] == request_id


class GivesNothing:
    """A model whose second probability is no number."""

    def run(self, _: object) -> list[Tensor]:
        return [
            Tensor("label", "INT64", (1, 1), struct.pack("<q", 1)),
            Tensor("probabilities", "FP32", (1, 2), struct.pack("<2f", 0.25, float("nan"))),
        ]
