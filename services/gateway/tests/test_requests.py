"""Checks against the signature, and rows of named fields."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_contracts.manifest import Signature, TensorSpec
from tidemill_gateway.domain.json_values import tensor_of
from tidemill_gateway.domain.named import results_of, tensors_of
from tidemill_gateway.domain.requests import InferRequest, RequestedOutput, check_inputs
from tidemill_gateway.domain.tensors import Tensor, to_numbers, to_texts
from tidemill_runtime.errors import InvalidInput, TooLarge

SIGNATURE = Signature.model_validate_json(
    """{"inputs": [{"name": "distance", "datatype": "FP32", "shape": [-1, 1]},
                   {"name": "carrier", "datatype": "BYTES", "shape": [-1, 1]}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1, 1]},
                    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}]}"""
)


def inputs(rows: int = 1, **changes: Tensor) -> list[Tensor]:
    tensors = {
        "distance": tensor_of("distance", "FP32", (rows, 1), [1.0] * rows),
        "carrier": tensor_of("carrier", "BYTES", (rows, 1), ["UA"] * rows),
        **changes,
    }
    return list(tensors.values())


def test_rows_are_counted() -> None:
    assert check_inputs(SIGNATURE, inputs(3), max_rows=3) == 3


def test_a_missing_number_is_allowed_and_an_infinite_one_is_not() -> None:
    missing = Tensor("distance", "FP32", (1, 1), struct.pack("<f", float("nan")))
    assert check_inputs(SIGNATURE, inputs(distance=missing), max_rows=1) == 1
    infinite = Tensor("distance", "FP32", (1, 1), struct.pack("<f", float("inf")))
    with pytest.raises(InvalidInput, match="infinite"):
        check_inputs(SIGNATURE, inputs(distance=infinite), max_rows=1)


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
        (inputs(0), "shape"),
        (inputs(carrier=Tensor("carrier", "BYTES", (1, 1), b"\x01\0\0\0\xff")), "row 0: not UTF-8"),
        (inputs(distance=Tensor("distance", "FP32", (1, 1), b"abc")), "3 bytes"),
    ],
)
def test_what_does_not_fit_the_signature_is_refused(tensors: list[Tensor], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        check_inputs(SIGNATURE, tensors, max_rows=10)


def test_an_input_has_all_the_dimensions_of_its_tensor() -> None:
    image = TensorSpec(name="image", datatype="UINT8", shape=(-1, 2, 3))
    signature = Signature(inputs=(image,), outputs=(image,))
    assert check_inputs(signature, [Tensor("image", "UINT8", (2, 2, 3), bytes(12))], max_rows=2) == 2
    for shape in ((2, 6), (2, 3, 2), (12,), ()):
        with pytest.raises(InvalidInput, match=r"\[rows, 2, 3\] is expected"):
            check_inputs(signature, [Tensor("image", "UINT8", shape, bytes(12))], max_rows=12)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(TooLarge, match="at most 2"):
        check_inputs(SIGNATURE, inputs(3), max_rows=2)


def test_an_output_that_does_not_exist_is_refused() -> None:
    request = InferRequest("", tuple(inputs()), (RequestedOutput("score", binary=True),))
    with pytest.raises(InvalidInput, match="unknown output 'score'"):
        request.inputs_for(SIGNATURE)


def test_named_fields_become_tensors_with_missing_values() -> None:
    rows = [{"distance": 5, "carrier": "UA"}, {"distance": None}, {"carrier": None}, {}]
    distance, carrier = tensors_of(SIGNATURE, rows)
    np.testing.assert_array_equal(to_numbers(distance), [5.0, np.nan, np.nan, np.nan])
    assert to_texts(carrier) == ["UA", "", "", ""]
    assert check_inputs(SIGNATURE, [distance, carrier], max_rows=4) == 4


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
        tensors_of(SIGNATURE, rows)


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
        tensors = tensors_of(SIGNATURE, rows)
    except InvalidInput:
        return
    assert check_inputs(SIGNATURE, tensors, max_rows=len(rows)) == len(rows)
