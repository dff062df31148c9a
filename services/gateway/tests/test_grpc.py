"""The Open Inference Protocol over gRPC, with Triton's own client and with raw messages."""

from collections.abc import AsyncIterator

import grpc
import grpc.aio
import numpy as np
import pytest
import tritonclient.grpc.aio as triton_grpc
from tidemill_gateway.testing.running import RunningGateway
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException


@pytest.fixture
async def stub(running: RunningGateway) -> AsyncIterator[service_pb2_grpc.GRPCInferenceServiceStub]:
    async with grpc.aio.insecure_channel(running.grpc_url) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.fixture
async def client(running: RunningGateway) -> AsyncIterator[triton_grpc.InferenceServerClient]:
    async with triton_grpc.InferenceServerClient(running.grpc_url) as client:
        yield client


def client_inputs(rows: int = 1) -> list[triton_grpc.InferInput]:
    values = {
        "distance": np.full((rows, 1), 1000, dtype=np.float32),
        "temp": np.full((rows, 1), np.nan, dtype=np.float32),
        "carrier": np.full((rows, 1), "UA", dtype=object),
    }
    inputs = []
    for name, array in values.items():
        tensor = triton_grpc.InferInput(name, array.shape, "BYTES" if array.dtype == object else "FP32")
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs


def typed_request(**changes: object) -> service_pb2.ModelInferRequest:
    tensor = service_pb2.ModelInferRequest.InferInputTensor
    contents = service_pb2.InferTensorContents
    return service_pb2.ModelInferRequest(
        **{
            "model_name": "flights",
            "inputs": [
                tensor(name="distance", datatype="FP32", shape=[1, 1], contents=contents(fp32_contents=[1000])),
                tensor(name="temp", datatype="FP32", shape=[1, 1], contents=contents(fp32_contents=[float("nan")])),
                tensor(name="carrier", datatype="BYTES", shape=[1, 1], contents=contents(bytes_contents=[b"UA"])),
            ],
            **changes,
        }
    )


async def test_tritons_client_gets_health_metadata_and_answers(running: RunningGateway, client) -> None:
    await running.serve(bias=-3.0)
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("flights")
    assert await client.is_model_ready("flights", "1")
    assert not await client.is_model_ready("unknown")
    assert (await client.get_server_metadata()).name == "tidemill"
    metadata = await client.get_model_metadata("flights")
    assert list(metadata.versions) == ["1"]
    result = await client.infer("flights", client_inputs(2), request_id="mine")
    assert result.as_numpy("label").tolist() == [[0], [0]]
    assert result.as_numpy("probabilities").tolist() == [[0.5, 0.5], [0.5, 0.5]]
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("flights", "1", "mine")
    assert response.parameters["prediction_id"].string_param
    index = await client.get_model_repository_index()
    assert [(item.name, item.version, item.state) for item in index.models] == [("flights", "1", "READY")]


async def test_typed_contents_are_answered_raw(running: RunningGateway, stub) -> None:
    await running.serve(bias=-3.0)
    call = stub.ModelInfer(typed_request(), timeout=5)
    response = await call
    assert np.frombuffer(response.raw_output_contents[1], "<f4").tolist() == [0.5, 0.5]
    metadata = dict(await call.initial_metadata())
    assert metadata["tidemill-prediction-id"] == response.parameters["prediction_id"].string_param == response.id


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"model_name": "unknown"}, "NOT_FOUND", "no model"),
        ({"model_version": "9"}, "NOT_FOUND", "no version 9"),
        ({"model_version": "first"}, "NOT_FOUND", "whole numbers"),
        ({"inputs": []}, "INVALID_ARGUMENT", "missing"),
        ({"raw_input_contents": [b"abcd"] * 3}, "INVALID_ARGUMENT", "both raw and typed"),
        ({"raw_input_contents": [b"abcd"]}, "INVALID_ARGUMENT", "raw contents"),
    ],
)
async def test_errors_have_their_code(running: RunningGateway, stub, change, code, words) -> None:
    await running.serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ModelInfer(typed_request(**change), timeout=5)
    assert caught.value.code().name == code
    assert words in caught.value.details()


async def test_what_steers_the_server_does_not_exist(running: RunningGateway, stub) -> None:
    await running.serve()
    requests = {
        "RepositoryModelLoad": service_pb2.RepositoryModelLoadRequest(model_name="flights"),
        "RepositoryModelUnload": service_pb2.RepositoryModelUnloadRequest(model_name="flights"),
        "SystemSharedMemoryRegister": service_pb2.SystemSharedMemoryRegisterRequest(name="a", key="/b", byte_size=1),
        "CudaSharedMemoryStatus": service_pb2.CudaSharedMemoryStatusRequest(),
        "TraceSetting": service_pb2.TraceSettingRequest(),
        "LogSettings": service_pb2.LogSettingsRequest(),
    }
    for method, request in requests.items():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await getattr(stub, method)(request, timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_callers_deadline_holds_upstream(running: RunningGateway, client) -> None:
    await running.serve()
    running.triton.gate.clear()
    with pytest.raises(InferenceServerException, match=r"DEADLINE_EXCEEDED|Deadline"):
        await client.infer("flights", client_inputs(), client_timeout=0.2)


async def test_the_event_time_in_the_metadata_is_logged(running: RunningGateway, client) -> None:
    await running.serve()
    await client.infer("flights", client_inputs(), headers={"tidemill-event-time": "1362139200000000"})
    await running.gateway.log.flush()
    assert [list(batch.event_times) for batch in running.logged()] == [[1362139200000000]]
