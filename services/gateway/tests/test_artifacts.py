"""What an artifact must be before it is loaded: manifest, golden predictions, ONNX."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidemill_contracts.manifest import Golden, Manifest
from tidemill_gateway.domain.golden import difference, golden_inputs
from tidemill_gateway.domain.manifest import parse
from tidemill_gateway.domain.onnx import check_model
from tidemill_gateway.domain.tensors import Tensor
from tidemill_gateway.testing import FakeModel
from tidemill_gateway.testing.fake_model import golden_json, manifest_json
from tidemill_runtime.errors import CorruptArtifact

DIGEST = "d" * 64
FILES = {"model.onnx": "a" * 64, "golden.json": "b" * 64}


def manifest(**changes: object) -> Manifest:
    document = json.loads(manifest_json("flights", FILES)) | changes
    return parse(Manifest, json.dumps(document).encode(), DIGEST)


def golden(**changes: object) -> Golden:
    return parse(Golden, json.dumps(json.loads(golden_json(FakeModel())) | changes).encode(), DIGEST)


def answers(fake: FakeModel) -> list[Tensor]:
    return fake.run({tensor.name: tensor for tensor in golden_inputs(manifest(), golden(), 10)})


def test_a_manifest_is_read_and_what_is_added_later_is_passed_over() -> None:
    read = manifest(color="blue")
    assert [spec.name for spec in read.inputs] == ["distance", "temp", "carrier"]
    assert read.outputs[1].width == 2
    assert read.files == FILES


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "tidemill/manifest/v2"},
        {"files": {"model.onnx": "../../etc/passwd", "golden.json": "b" * 64}},
        {"inputs": []},
        {"model": None},
    ],
)
def test_a_manifest_that_cannot_be_served_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(CorruptArtifact, match=f"manifest {DIGEST}: {next(iter(changes))}"):
        manifest(**changes)


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(CorruptArtifact, match=f"golden {DIGEST}: content"):
        parse(Golden, b"pickle", DIGEST)


def test_golden_predictions_hold_for_the_right_model_only() -> None:
    assert difference(manifest(), golden(), answers(FakeModel()), 10) is None
    assert "probabilities" in (difference(manifest(), golden(), answers(FakeModel(bias=0.001)), 10) or "")
    assert "label" in (difference(manifest(), golden(), answers(FakeModel(bias=-9)), 10) or "")


def test_golden_predictions_allow_the_tolerance() -> None:
    label, probabilities = answers(FakeModel())
    near = np.frombuffer(probabilities.raw, "<f4") + np.float32(5e-5)
    moved = Tensor(probabilities.name, "FP32", probabilities.shape, near.tobytes())
    assert difference(manifest(), golden(), [label, moved], 10) is None


def test_empty_or_absent_outputs_are_a_failure() -> None:
    assert "0 bytes" in (difference(manifest(), golden(), answers(FakeModel(empty_outputs=True)), 10) or "")
    assert "missing" in (difference(manifest(), golden(), answers(FakeModel())[:1], 10) or "")


def test_no_more_golden_rows_than_a_batch_are_used() -> None:
    inputs = golden_inputs(manifest(), golden(), 2)
    assert [tensor.shape for tensor in inputs] == [(2, 1)] * 3
    outputs = FakeModel().run({tensor.name: tensor for tensor in inputs})
    assert difference(manifest(), golden(), outputs, 2) is None


def test_golden_predictions_have_as_many_dimensions_as_their_tensors() -> None:
    image = {"name": "image", "datatype": "UINT8", "shape": [-1, 2, 2]}
    of_images = manifest(inputs=[image], outputs=[image | {"name": "grey"}])
    rows = image | {"shape": [2, 2, 2], "data": [1, 2, 3, 4, 5, 6, 7, 8]}
    proof = golden(inputs=[rows], outputs=[rows | {"name": "grey"}])

    (tensor,) = golden_inputs(of_images, proof, 1)
    assert (tensor.shape, tensor.raw) == ((1, 2, 2), bytes([1, 2, 3, 4]))
    assert difference(of_images, proof, [Tensor("grey", "UINT8", (1, 2, 2), tensor.raw)], 1) is None
    assert "[1, 2, 2]" in (difference(of_images, proof, [Tensor("grey", "UINT8", (1, 4), tensor.raw)], 1) or "")


def test_golden_inputs_that_do_not_fit_are_refused() -> None:
    document = json.loads(golden_json(FakeModel()))
    with pytest.raises(CorruptArtifact, match="golden"):
        golden_inputs(manifest(), golden(inputs=document["inputs"][:2]), 10)


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


INLINE = field(8, b"w") + field(9, b"\0\0\0\0")
EXTERNAL = field(8, b"w") + field(13, field(1, b"location") + field(2, b"../secret"))
BY_LOCATION = field(8, b"w") + field(14, 1)
PLACES = {
    "initializer": lambda tensor: field(7, field(5, tensor)),
    "constant node": lambda tensor: field(7, field(1, field(5, field(5, tensor)))),
    "subgraph": lambda tensor: field(7, field(1, field(5, field(6, field(5, tensor))))),
    "sparse initializer": lambda tensor: field(7, field(15, field(1, tensor))),
    "function": lambda tensor: field(7, b"") + field(25, field(7, field(5, field(5, tensor)))),
    "training": lambda tensor: field(7, b"") + field(20, field(1, field(5, tensor))),
}


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_found_wherever_it_is(place: str) -> None:
    check_model(field(1, 8) + PLACES[place](INLINE))
    for tensor in (EXTERNAL, BY_LOCATION):
        with pytest.raises(CorruptArtifact, match="external data"):
            check_model(field(1, 8) + PLACES[place](tensor))


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04\x95pickle", b"PK\x03\x04", b'{"a": 1}', field(7, b"abc")[:-1], b"\x08\x08"]
)
def test_what_is_not_onnx_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptArtifact):
        check_model(data)


def test_deep_nesting_is_refused() -> None:
    graph = b""
    for _ in range(60):
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(CorruptArtifact, match="deep"):
        check_model(field(7, graph))


@given(st.binary(max_size=200))
def test_any_bytes_are_checked_without_a_crash(data: bytes) -> None:
    try:
        check_model(b"\x08\x08" + data)
    except CorruptArtifact:
        return
