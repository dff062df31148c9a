"""Binary tensors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_gateway.domain.json_values import tensor_of
from tidemill_gateway.domain.tensors import (
    DATATYPES,
    Tensor,
    bfloat16_of,
    element_count,
    pack_texts,
    to_array,
    to_numbers,
    to_texts,
    unpack_texts,
)
from tidemill_runtime.errors import InvalidInput


def texts(raw: bytes, count: int) -> Tensor:
    return Tensor("carrier", "BYTES", (count, 1), raw)


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_texts_survive_packing(elements: list[bytes]) -> None:
    assert unpack_texts(texts(pack_texts(elements), len(elements))) == elements


@given(st.binary(max_size=60), st.integers(0, 20))
def test_any_bytes_are_read_or_refused(raw: bytes, count: int) -> None:
    try:
        elements = unpack_texts(texts(raw, count))
    except InvalidInput:
        return
    assert pack_texts(elements) == raw


@pytest.mark.parametrize("raw", [b"", b"\x02\0\0\0U", b"\xff\xff\xff\xffUA", b"\x02\0\0\0UAx", b"\x02\0\0\0UA" * 2])
def test_texts_that_do_not_add_up_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="carrier"):
        unpack_texts(texts(raw, 1))


def test_a_shape_that_overflows_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than"):
        element_count("distance", (2**62, 4))
    with pytest.raises(InvalidInput, match="more than"):
        tensor_of("distance", "FP32", (2**40, 2**40), [])


@given(st.lists(st.floats(width=32, allow_infinity=False), min_size=1, max_size=10))
def test_floats_from_json_keep_their_bits(values: list[float]) -> None:
    given_values = [None if value != value else value for value in values]
    tensor = tensor_of("distance", "FP32", (len(values), 1), given_values)
    np.testing.assert_array_equal(to_numbers(tensor), values)


@pytest.mark.parametrize("datatype", sorted(set(DATATYPES) - {"BYTES", "BOOL"}))
def test_every_numeric_datatype_is_read_from_json(datatype: str) -> None:
    tensor = tensor_of("x", datatype, (2, 2), [[1, 2], [3, 4]])
    assert to_array(tensor).tolist() == [[1, 2], [3, 4]]


def test_null_is_a_missing_number_or_text() -> None:
    assert np.isnan(to_numbers(tensor_of("x", "FP32", (1, 1), [None]))).all()
    assert to_texts(tensor_of("x", "BYTES", (2, 1), [None, "ü"])) == ["", "ü"]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", ["1"]),
        ("FP32", [True]),
        ("FP32", [1e39]),
        ("FP32", [[[1.0]]]),
        ("FP32", [[1.0], 2.0]),
        ("FP32", [1.0, 2.0]),
        ("FP32", []),
        ("FP32", 1.0),
        ("FP32", None),
        ("INT64", [1.5]),
        ("INT64", [None]),
        ("INT8", [128]),
        ("UINT8", [-1]),
        ("BOOL", [1]),
        ("BYTES", [1]),
        ("BYTES", ["\ud800"]),
        ("TEXT", ["a"]),
    ],
)
def test_json_that_does_not_fit_is_refused(datatype: str, data: object) -> None:
    with pytest.raises(InvalidInput, match="'x'"):
        tensor_of("x", datatype, (1, 1), data)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_bf16_keeps_a_number_within_its_eight_bits(value: float) -> None:
    (read,) = to_numbers(Tensor("x", "BF16", (1, 1), bfloat16_of(np.array([value], "<f4"))))
    assert read == pytest.approx(value, rel=2**-8, abs=1e-38) or abs(value) > 3.38e38


def test_a_missing_bf16_stays_missing() -> None:
    assert np.isnan(to_numbers(tensor_of("x", "BF16", (1, 1), [None]))).all()
