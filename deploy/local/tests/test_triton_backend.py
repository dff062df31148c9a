"""The `onnxruntime` backend in the real server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton
from onnx import TensorProto, helper
from tidemill_local.stack import Stack
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.stack
CONFIG = """
backend: "onnxruntime"
max_batch_size: 64
input [{name: "amount" data_type: TYPE_FP32 dims: [1]}, {name: "kind" data_type: TYPE_STRING dims: [1]}]
output [{name: "total" data_type: TYPE_FP32 dims: [1]}, {name: "code" data_type: TYPE_INT64 dims: [1]}]
instance_group [{count: 1 kind: KIND_CPU}]
dynamic_batching {max_queue_delay_microseconds: 2000}
"""


def model() -> bytes:
    """`total` is twice `amount`; `code` is the place of `kind` among a, b, é, or -1."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["amount", "amount"], ["total"]),
            helper.make_node(
                "LabelEncoder",
                ["kind"],
                ["code"],
                domain="ai.onnx.ml",
                keys_strings=["a", "b", "é"],
                values_int64s=[0, 1, 2],
                default_int64=-1,
            ),
        ],
        "model",
        [value("amount", TensorProto.FLOAT, [None, 1]), value("kind", TensorProto.STRING, [None, 1])],
        [value("total", TensorProto.FLOAT, [None, 1]), value("code", TensorProto.INT64, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[triton.InferenceServerClient]:
    stack = Stack(tmp_path_factory.mktemp("home"), 3100)
    folder = Path(stack.environment("gateway")["TIDEMILL_MODEL_REPOSITORY"]) / "m-v1"
    (folder / "1").mkdir(parents=True)
    (folder / "1/model.onnx").write_bytes(model())
    (folder / "config.pbtxt").write_text('name: "m-v1"' + CONFIG)
    stack.up(["triton"])
    with triton.InferenceServerClient(f"127.0.0.1:{stack.ports['triton-grpc']}") as connection:
        connection.load_model("m-v1")
        yield connection
    stack.down()


def infer(client: triton.InferenceServerClient, amounts: list[float], kinds: list[bytes]) -> triton.InferResult:
    amount = triton.InferInput("amount", [len(amounts), 1], "FP32")
    amount.set_data_from_numpy(np.array(amounts, np.float32).reshape(-1, 1))
    kind = triton.InferInput("kind", [len(kinds), 1], "BYTES")
    kind.set_data_from_numpy(np.array(kinds, object).reshape(-1, 1))
    return client.infer("m-v1", [amount, kind])


def test_numbers_and_texts_give_the_models_answers(client: triton.InferenceServerClient):
    result = infer(client, [1.5, -2.0, 0.0], [b"b", "é".encode(), b"unknown"])

    assert result.as_numpy("total").tolist() == [[3.0], [-4.0], [0.0]]
    assert result.as_numpy("code").tolist() == [[1], [2], [-1]]


def test_requests_run_together_get_their_own_rows_back(client: triton.InferenceServerClient):
    def ask(start: int) -> bool:
        amounts = [float(start + row) for row in range(1 + start % 4)]
        return infer(client, amounts, [b"a"] * len(amounts)).as_numpy("total").ravel().tolist() == [
            2 * amount for amount in amounts
        ]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(300)))
    statistics = client.get_inference_statistics("m-v1").model_stats[0]

    assert all(answers)
    assert statistics.execution_count < 300


def test_a_bad_request_fails_alone(client: triton.InferenceServerClient):
    def ask(position: int) -> str:
        try:
            infer(client, [1.0], [b"\xff" if position % 5 == 0 else b"a"])
        except InferenceServerException as error:
            return str(error.status())
        return "answered"

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(100)))

    expected = ["StatusCode.INVALID_ARGUMENT" if position % 5 == 0 else "answered" for position in range(100)]
    assert answers == expected


def test_the_server_calls_it_onnxruntime(client: triton.InferenceServerClient):
    assert client.get_model_metadata("m-v1").platform == "onnxruntime_onnx"
