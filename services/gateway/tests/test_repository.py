"""Triton's model repository as the gateway writes it."""

from pathlib import Path

from google.protobuf import text_format
from tidemill_contracts.manifest import Manifest, Signature, TensorSpec
from tidemill_gateway.adapters.repository import ModelRepository
from tidemill_gateway.domain.manifest import parse
from tidemill_gateway.testing.fake_model import manifest_json
from tritonclient.grpc import model_config_pb2

FILES = {"model.onnx": "a" * 64, "golden.json": "b" * 64}
SIGNATURE = parse(Manifest, manifest_json("flights", FILES), "d" * 64)


def config_of(folder: Path) -> model_config_pb2.ModelConfig:
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def test_a_model_is_written_with_its_configuration(tmp_path: Path) -> None:
    ModelRepository(tmp_path, 64).write("flights-v1", b"onnx", SIGNATURE)
    assert (tmp_path / "flights-v1/1/model.onnx").read_bytes() == b"onnx"
    config = config_of(tmp_path / "flights-v1")
    assert (config.name, config.backend, config.max_batch_size) == ("flights-v1", "onnxruntime", 64)
    assert [(item.name, item.data_type, list(item.dims)) for item in config.input] == [
        ("distance", model_config_pb2.TYPE_FP32, [1]),
        ("temp", model_config_pb2.TYPE_FP32, [1]),
        ("carrier", model_config_pb2.TYPE_STRING, [1]),
    ]
    assert [(item.name, item.data_type, list(item.dims)) for item in config.output] == [
        ("label", model_config_pb2.TYPE_INT64, [1]),
        ("probabilities", model_config_pb2.TYPE_FP32, [2]),
    ]
    assert config.HasField("dynamic_batching")


def test_a_tensor_has_all_its_dimensions_but_the_rows(tmp_path: Path) -> None:
    image = TensorSpec(name="image", datatype="BF16", shape=(-1, 4, 3))
    ModelRepository(tmp_path, 64).write("flights-v1", b"onnx", Signature(inputs=(image,), outputs=(image,)))
    config = config_of(tmp_path / "flights-v1")
    for (item,) in (config.input, config.output):
        assert (item.data_type, list(item.dims)) == (model_config_pb2.TYPE_BF16, [4, 3])


def test_the_same_model_is_not_written_again_and_another_replaces_it(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path, 64)
    repository.write("flights-v1", b"one", SIGNATURE)
    written = (tmp_path / "flights-v1").stat().st_ino
    repository.write("flights-v1", b"one", SIGNATURE)
    assert (tmp_path / "flights-v1").stat().st_ino == written
    repository.write("flights-v1", b"two", SIGNATURE)
    assert (tmp_path / "flights-v1/1/model.onnx").read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["flights-v1"]


def test_versions_are_those_of_the_very_model(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path, 64)
    for name in ("flights-v2", "flights-v10", "flights-v2-v3", "fli-v1", "flights-vx"):
        (tmp_path / name).mkdir()
    assert repository.versions("flights") == [2, 10]
    assert repository.versions("flights-v2") == [3]


def test_removing_and_sweeping_leave_nothing_of_a_model(tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path, 64)
    repository.write("flights-v1", b"one", SIGNATURE)
    (tmp_path / ".flights-v2.123").mkdir()
    repository.remove("flights-v1")
    repository.remove("flights-v1")
    repository.sweep()
    assert list(tmp_path.iterdir()) == []
