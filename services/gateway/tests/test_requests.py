"""Protobuf requests as they are read, checks against the signature, and rows of named fields."""

import json
import struct

import httpx
import numpy as np
import pytest
from gateway_helpers import INFER, v2_body
from hypothesis import given
from hypothesis import strategies as st
from tidemill_contracts.manifest import Signature
from tidemill_dataplane import accept, read_message
from tidemill_gateway.domain.json_values import tensor_of
from tidemill_gateway.domain.named import results_of, tensors_of
from tidemill_gateway.domain.tensors import Tensor, to_numbers, to_texts
from tidemill_gateway.testing.running import RunningGateway
from tidemill_runtime.errors import InvalidInput
from tritonclient.grpc import service_pb2

SIGNATURE = """{"inputs": [{"name": "distance", "datatype": "FP32", "shape": [-1, 1]},
                           {"name": "carrier", "datatype": "BYTES", "shape": [-1, 1]}],
                "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1, 1]},
                            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}]}"""
NAMED = Signature.model_validate_json(SIGNATURE)

InputTensor = service_pb2.ModelInferRequest.InferInputTensor
Contents = service_pb2.InferTensorContents
Parameter = service_pb2.InferParameter


def message_of(tensors: list[Tensor]) -> bytes:
    return service_pb2.ModelInferRequest(
        inputs=[InputTensor(name=item.name, datatype=item.datatype, shape=item.shape) for item in tensors],
        raw_input_contents=[item.raw for item in tensors],
    ).SerializeToString()


def rows_of(tensors: list[Tensor], *, max_rows: int, allow_missing: bool = True, signature: str = SIGNATURE) -> int:
    return accept(signature, message_of(tensors), max_rows, allow_missing)


def typed(datatype: str, contents: dict[str, list[object]], **changes: object) -> bytes:
    tensor = InputTensor(name="x", datatype=datatype, shape=[2, 1], contents=Contents(**contents))
    return service_pb2.ModelInferRequest(**{"inputs": [tensor], **changes}).SerializeToString()


def inputs(rows: int = 1, **changes: Tensor) -> list[Tensor]:
    tensors = {
        "distance": tensor_of("distance", "FP32", (rows, 1), [1.0] * rows),
        "carrier": tensor_of("carrier", "BYTES", (rows, 1), ["UA"] * rows),
        **changes,
    }
    return list(tensors.values())


def test_raw_contents_are_taken_as_they_are() -> None:
    message = service_pb2.ModelInferRequest.FromString(message_of(inputs(2)))
    message.id = "mine"
    message.outputs.add(name="label")
    request_id, given_inputs, outputs = read_message(message.SerializeToString())
    assert request_id == "mine"
    assert given_inputs == [
        ("distance", "FP32", [2, 1], struct.pack("<2f", 1, 1)),
        ("carrier", "BYTES", [2, 1], b"\2\0\0\0UA" * 2),
    ]
    assert outputs == [("label", True)]


@pytest.mark.parametrize(
    ("datatype", "contents", "raw"),
    [
        ("BOOL", {"bool_contents": [True, False]}, b"\1\0"),
        ("INT8", {"int_contents": [-128, 127]}, b"\x80\x7f"),
        ("INT16", {"int_contents": [-2, 3]}, struct.pack("<2h", -2, 3)),
        ("INT32", {"int_contents": [-(2**31), 2**31 - 1]}, struct.pack("<2i", -(2**31), 2**31 - 1)),
        ("INT64", {"int64_contents": [-(2**63), 2**63 - 1]}, struct.pack("<2q", -(2**63), 2**63 - 1)),
        ("UINT8", {"uint_contents": [0, 255]}, b"\0\xff"),
        ("UINT16", {"uint_contents": [0, 65535]}, struct.pack("<2H", 0, 65535)),
        ("UINT32", {"uint_contents": [0, 2**32 - 1]}, struct.pack("<2I", 0, 2**32 - 1)),
        ("UINT64", {"uint64_contents": [0, 2**64 - 1]}, struct.pack("<2Q", 0, 2**64 - 1)),
        ("FP32", {"fp32_contents": [1, 0.5]}, struct.pack("<2f", 1, 0.5)),
        ("FP64", {"fp64_contents": [1, 0.1]}, struct.pack("<2d", 1, 0.1)),
        ("BYTES", {"bytes_contents": [b"", b"UA"]}, b"\0\0\0\0\2\0\0\0UA"),
    ],
)
def test_typed_contents_of_every_datatype_are_taken(
    datatype: str, contents: dict[str, list[object]], raw: bytes
) -> None:
    assert read_message(typed(datatype, contents))[1] == [("x", datatype, [2, 1], raw)]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (typed("INT8", {"int_contents": [128, 0]}), "range of INT8"),
        (typed("UINT8", {"uint_contents": [256, 0]}), "range of UINT8"),
        (typed("FP32", {"fp64_contents": [1, 2]}), "not of datatype FP32"),
        (typed("FP16", {"fp32_contents": [1, 2]}), "needs raw contents"),
        (typed("TEXT", {"bytes_contents": [b"a", b"b"]}), "needs raw contents"),
        (typed("FP32", {"fp32_contents": [1, 2]}, raw_input_contents=[b"abcd"]), "both raw and typed"),
        (message_of(inputs()) + b"\x3a\x01a", "3 raw contents for 2 inputs"),
        (typed("FP32", {}, parameters={"shared_memory_region": Parameter(string_param="a")}), "shared memory"),
        (
            service_pb2.ModelInferRequest(
                outputs=[
                    service_pb2.ModelInferRequest.InferRequestedOutputTensor(
                        name="label", parameters={"classification": Parameter(int64_param=2)}
                    )
                ]
            ).SerializeToString(),
            "classification",
        ),
        (b"\x0a\x05ab", "not a valid protobuf"),
        (b"\x0a\x01\xff", "not a valid protobuf"),
        (b"\xff" * 11, "not a valid protobuf"),
    ],
)
def test_a_malformed_message_is_refused(message: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_message(message)


def test_contents_in_parts_are_joined_as_protobuf_says() -> None:
    parts = [Contents(fp32_contents=[1]).SerializeToString(), Contents(fp32_contents=[2]).SerializeToString()]
    tensor = InputTensor(name="x", datatype="FP32", shape=[2, 1]).SerializeToString()
    tensor += b"".join(b"\x2a" + bytes([len(part)]) + part for part in parts)
    message = b"\x2a" + bytes([len(tensor)]) + tensor
    assert service_pb2.ModelInferRequest.FromString(message).inputs[0].contents.fp32_contents == [1, 2]
    assert read_message(message)[1] == [("x", "FP32", [2, 1], struct.pack("<2f", 1, 2))]


@given(st.binary(max_size=200))
def test_any_message_is_read_or_refused(message: bytes) -> None:
    try:
        read_message(message)
    except ValueError:
        return


@given(position=st.integers(0, 80), byte=st.integers(0, 255))
def test_a_message_with_any_changed_byte_is_accepted_or_refused(position: int, byte: int) -> None:
    message = bytearray(message_of(inputs(2)))
    message[position % len(message)] = byte
    try:
        assert accept(SIGNATURE, bytes(message), 10, True) >= 1
    except ValueError:
        return


def test_rows_are_counted() -> None:
    assert rows_of(inputs(3), max_rows=3) == 3


def test_inputs_are_taken_in_any_order() -> None:
    assert rows_of(list(reversed(inputs(3))), max_rows=3) == 3


def test_a_missing_number_is_allowed_and_an_infinite_one_is_not() -> None:
    missing = Tensor("distance", "FP32", (1, 1), struct.pack("<f", float("nan")))
    assert rows_of(inputs(distance=missing), max_rows=1) == 1
    infinite = Tensor("distance", "FP32", (1, 1), struct.pack("<f", float("inf")))
    with pytest.raises(ValueError, match="infinite"):
        rows_of(inputs(distance=infinite), max_rows=1)


@pytest.mark.parametrize(
    "missing",
    [
        Tensor("distance", "FP32", (2, 1), struct.pack("<2f", 1, float("nan"))),
        Tensor("carrier", "BYTES", (2, 1), b"\1\0\0\0A\0\0\0\0"),
    ],
)
def test_a_model_may_refuse_missing_values(missing: Tensor) -> None:
    given_inputs = inputs(2, **{missing.name: missing})
    assert rows_of(given_inputs, max_rows=2) == 2
    with pytest.raises(ValueError, match=f"'{missing.name}' has a missing value"):
        rows_of(given_inputs, max_rows=2, allow_missing=False)
    assert rows_of(inputs(2), max_rows=2, allow_missing=False) == 2


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (inputs()[:1], "'carrier' is missing"),
        ([*inputs(), tensor_of("speed", "FP32", (1, 1), [1.0])], "unknown input 'speed'"),
        ([*inputs(), *inputs()], "given twice"),
        (inputs(distance=tensor_of("distance", "FP64", (1, 1), [1.0])), "is FP32, not FP64"),
        (inputs(distance=tensor_of("distance", "FP32", (2, 1), [1.0, 2.0])), "rows"),
        (inputs(distance=tensor_of("distance", "FP32", (1,), [1.0])), "shape"),
        (inputs(distance=tensor_of("distance", "FP32", (1, 2), [1.0, 2.0])), "shape"),
        (inputs(distance=Tensor("distance", "FP32", (-1, 1), b"")), "shape"),
        (inputs(distance=Tensor("distance", "FP32", (2**62, 4), b"")), "shape|rows"),
        (inputs(0), "shape"),
        (inputs(carrier=Tensor("carrier", "BYTES", (1, 1), b"\x01\0\0\0\xff")), "row 0: not UTF-8"),
        (inputs(distance=Tensor("distance", "FP32", (1, 1), b"abc")), "3 bytes"),
        (inputs(carrier=Tensor("carrier", "BYTES", (1, 1), b"\x02\0\0\0U")), "longer than the data"),
        (inputs(carrier=Tensor("carrier", "BYTES", (1, 1), b"\xff\xff\xff\xffUA")), "longer than the data"),
        (inputs(carrier=Tensor("carrier", "BYTES", (1, 1), b"\x02\0\0\0UAx")), "left over"),
        (inputs(carrier=Tensor("carrier", "BYTES", (1, 1), b"")), "cannot hold"),
    ],
)
def test_what_does_not_fit_the_signature_is_refused(tensors: list[Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rows_of(tensors, max_rows=10)


def test_an_input_has_all_the_dimensions_of_its_tensor() -> None:
    image = {"name": "image", "datatype": "UINT8", "shape": [-1, 2, 3]}
    signature = json.dumps({"inputs": [image], "outputs": [image]})
    assert rows_of([Tensor("image", "UINT8", (2, 2, 3), bytes(12))], max_rows=2, signature=signature) == 2
    for shape in ((2, 6), (2, 3, 2), (12,), ()):
        with pytest.raises(ValueError, match=r"\[rows, 2, 3\] is expected"):
            rows_of([Tensor("image", "UINT8", shape, bytes(12))], max_rows=12, signature=signature)


def test_a_truth_value_is_0_or_1() -> None:
    late = {"name": "late", "datatype": "BOOL", "shape": [-1, 1]}
    signature = json.dumps({"inputs": [late], "outputs": [late]})
    assert rows_of([Tensor("late", "BOOL", (2, 1), b"\0\1")], max_rows=2, signature=signature) == 2
    with pytest.raises(ValueError, match="neither true nor false"):
        rows_of([Tensor("late", "BOOL", (2, 1), b"\0\2")], max_rows=2, signature=signature)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 2"):
        rows_of(inputs(3), max_rows=2)


async def test_an_output_that_does_not_exist_is_refused(running: RunningGateway, http: httpx.AsyncClient) -> None:
    await running.serve()
    before = len(running.triton.inferences)
    response = await http.post(INFER, json=v2_body(outputs=[{"name": "score"}]))
    assert (response.status_code, "unknown output 'score'" in response.json()["error"]) == (400, True)
    assert len(running.triton.inferences) == before


def test_named_fields_become_tensors_with_missing_values() -> None:
    rows = [{"distance": 5, "carrier": "UA"}, {"distance": None}, {"carrier": None}, {}]
    distance, carrier = tensors_of(NAMED, rows)
    np.testing.assert_array_equal(to_numbers(distance), [5.0, np.nan, np.nan, np.nan])
    assert to_texts(carrier) == ["UA", "", "", ""]
    assert rows_of([distance, carrier], max_rows=4) == 4


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{}, {"speed": 1}], r"instances\[1\]: unknown field 'speed'"),
        ([{"distance": "far"}], r"instances\[0\].distance: 'far' is not a number"),
        ([{"distance": [1]}], r"instances\[0\].distance"),
        ([{"distance": 1e39}], "distance.*range"),
        ([{"carrier": 5}], r"instances\[0\].carrier: 5 is not a text"),
        ([[]], r"instances\[0\] is not an object"),
    ],
)
def test_a_wrong_field_is_named_with_its_row(rows: list[object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        tensors_of(NAMED, rows)


def test_results_have_values_and_arrays() -> None:
    outputs = [
        tensor_of("label", "INT64", (2, 1), [1, 0]),
        tensor_of("probabilities", "FP32", (2, 2), [0.25, 0.75, 1.0, 0.0]),
    ]
    assert results_of(outputs, 2) == [
        {"label": 1, "probabilities": [0.25, 0.75]},
        {"label": 0, "probabilities": [1.0, 0.0]},
    ]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["distance", "carrier", "x"]), st.none() | st.integers() | st.text()),
        min_size=1,
    )
)
def test_any_rows_are_taken_or_refused(rows: list[dict[str, object]]) -> None:
    try:
        tensors = tensors_of(NAMED, rows)
    except InvalidInput:
        return
    assert rows_of(tensors, max_rows=len(rows)) == len(rows)
