"""V2 gRPC messages to and from the domain's requests and answers."""

from typing import Any

from tidemill_runtime.errors import InvalidInput
from tritonclient.grpc import service_pb2

from tidemill_gateway.dataplane import Answer
from tidemill_gateway.domain.json_values import pack
from tidemill_gateway.domain.requests import InferRequest, RequestedOutput
from tidemill_gateway.domain.tensors import BYTES, Tensor, check_size, pack_texts
from tidemill_gateway.domain.v2 import MAX_DIMENSIONS, MAX_TENSORS

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


def parse_request(request: Any) -> InferRequest:
    """The request of a ModelInferRequest, its contents raw or typed; InvalidInput gives the cause."""
    if len(request.inputs) > MAX_TENSORS:
        raise InvalidInput(f"more than {MAX_TENSORS} inputs")
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise InvalidInput(f"{len(raw)} raw contents for {len(request.inputs)} inputs")
    inputs = tuple(_input(item, raw[position] if raw else None) for position, item in enumerate(request.inputs))
    outputs = tuple(_output(item) for item in request.outputs)
    return InferRequest(request.id, inputs, outputs, binary_outputs=True)


def render_response(asked: InferRequest, answer: Answer) -> Any:
    """The ModelInferResponse with the outputs asked for, all raw."""
    given = {tensor.name: tensor for tensor in answer.outputs}
    outputs = [given[output.name] for output in asked.outputs] or list(answer.outputs)
    return service_pb2.ModelInferResponse(
        model_name=answer.model,
        model_version=str(answer.version),
        id=asked.id or answer.prediction_id,
        parameters={"prediction_id": service_pb2.InferParameter(string_param=answer.prediction_id)},
        outputs=[
            service_pb2.ModelInferResponse.InferOutputTensor(name=item.name, datatype=item.datatype, shape=item.shape)
            for item in outputs
        ],
        raw_output_contents=[item.raw for item in outputs],
    )


def _input(item: Any, raw: bytes | None) -> Tensor:
    _refuse_shared_memory(item)
    name, datatype, shape = item.name[:256], item.datatype, tuple(item.shape)
    if len(shape) > MAX_DIMENSIONS:
        raise InvalidInput(f"input {name!r}: more than {MAX_DIMENSIONS} dimensions")
    if raw is None:
        raw = _typed(item, name, datatype)
    elif item.HasField("contents"):
        raise InvalidInput(f"input {name!r} has both raw and typed contents")
    tensor = Tensor(name, datatype, shape, raw)
    check_size(tensor)
    return tensor


def _typed(item: Any, name: str, datatype: str) -> bytes:
    if datatype != BYTES and datatype not in _CONTENTS:
        raise InvalidInput(f"input {name!r}: datatype {datatype[:20]!r} needs raw contents")
    if datatype == BYTES:
        return pack_texts(item.contents.bytes_contents)
    return pack(name, datatype, getattr(item.contents, _CONTENTS[datatype]))


def _output(item: Any) -> RequestedOutput:
    _refuse_shared_memory(item)
    if item.parameters["classification"].int64_param if "classification" in item.parameters else 0:
        raise InvalidInput(f"output {item.name[:100]!r}: the classification extension is not offered")
    return RequestedOutput(item.name, binary=True)


def _refuse_shared_memory(item: Any) -> None:
    if any(key.startswith("shared_memory") for key in item.parameters):
        raise InvalidInput(f"{item.name[:100]!r}: shared memory is not offered")
