"""KServe's SDK, over REST and over gRPC: `kserve_sdk.py TARGET`."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import httpx
import numpy as np
from features import Check, expect, raised, report, run
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from samples import CLASSIFIER_INPUTS, DATATYPES, INPUT, JSONLESS, OUTPUT, classifier_outputs, flat, sample
from target import Target

UNKNOWN = "clients-nobody-routed-this"
Infer = Callable[[InferRequest], Awaitable[InferResponse]]


def identity(model: str, datatype: str, *, binary: bool, **options: Any) -> InferRequest:
    """A request of the sample of `datatype`, its tensor binary (in gRPC: raw) or as values."""
    return InferRequest(model, [_input(INPUT, datatype, sample(datatype), binary=binary)], **options)


def classification(model: str, *, binary: bool, **options: Any) -> InferRequest:
    """A request to the classifier."""
    inputs = [_input(name, datatype, array, binary=binary) for name, (datatype, array) in CLASSIFIER_INPUTS.items()]
    return InferRequest(model, inputs, **options)


def is_echo(response: InferResponse, datatype: str, model: str) -> None:
    """Fail unless the identity of `datatype` answered what it was sent."""
    answered = response.get_output_by_name(OUTPUT)
    assert answered is not None, response.to_dict()
    expect(answered.datatype, datatype)
    expect(list(answered.shape), list(sample(datatype).shape))
    expect(flat(answered.as_numpy()), flat(sample(datatype)))
    expect(response.model_name, model)


def is_classified(response: InferResponse) -> None:
    """Fail unless the classifier gave both its outputs, and the right ones."""
    label, probabilities = classifier_outputs()
    answered = {output.name: output.as_numpy() for output in response.outputs}
    expect(flat(answered["label"]), flat(label))
    assert np.allclose(answered["probabilities"], probabilities, atol=1e-5), answered


class Common:
    """The checks that both of the SDK's clients have."""

    def __init__(self, infer: Infer, target: Target) -> None:
        self.infer = infer
        self.target = target
        self.model = target.identities["FP32"]

    async def echo(self, datatype: str, *, binary: bool) -> None:
        model = self.target.identities[datatype]
        is_echo(await self.infer(identity(model, datatype, binary=binary)), datatype, model)

    async def classify(self, *, binary: bool) -> None:
        is_classified(await self.infer(classification(self.target.classifier, binary=binary)))

    async def requested_output(self) -> None:
        asked = [RequestedOutput("probabilities")]
        request = classification(self.target.classifier, binary=False, request_outputs=asked)
        expect([output.name for output in (await self.infer(request)).outputs], ["probabilities"])

    async def request_id(self) -> None:
        response = await self.infer(identity(self.model, "FP32", binary=True, request_id="my-own-1"))
        expect(response.id, "my-own-1")

    def bad_shape(self) -> Awaitable[InferResponse]:
        wide = _input(INPUT, "FP32", np.zeros((2, 7), np.float32), binary=True)
        return self.infer(InferRequest(self.model, [wide]))

    def wrong_datatype(self) -> Awaitable[InferResponse]:
        return self.infer(identity(self.model, "FP64", binary=True))

    def unknown_model(self) -> Awaitable[InferResponse]:
        return self.infer(identity(UNKNOWN, "FP32", binary=True))


def rest_checks(client: InferenceRESTClient, target: Target) -> dict[str, Check]:
    """The checks of InferenceRESTClient."""
    url = f"http://{target.rest}"

    async def infer(request: InferRequest) -> InferResponse:
        answer = await client.infer(url, request, model_name=request.model_name)
        assert isinstance(answer, InferResponse)
        return answer

    async def binary_answer() -> None:
        headers: dict[str, str] = {}
        request = identity(common.model, "FP32", binary=True, parameters={"binary_data_output": True})
        answer = await client.infer(url, request, model_name=common.model, response_headers=headers)
        is_echo(answer, "FP32", common.model)
        expect(headers["content-type"], "application/octet-stream")

    async def fails(status: int, call: Callable[[], Any]) -> None:
        error = await raised(call, httpx.HTTPStatusError)
        assert isinstance(error, httpx.HTTPStatusError)
        expect(error.response.status_code, status, str(error))
        assert error.response.json()["error"], error.response.text

    common = Common(infer, target)
    jsonable = [datatype for datatype in DATATYPES if datatype not in JSONLESS]
    return {
        "rest-live": partial(_is_true, lambda: client.is_server_live(url)),
        "rest-ready": partial(_is_true, lambda: client.is_server_ready(url)),
        "rest-model-ready": partial(_is_true, lambda: client.is_model_ready(url, common.model)),
        "rest-unknown-model-not-ready": partial(_is_false, lambda: client.is_model_ready(url, UNKNOWN)),
        **{f"rest-infer-{datatype}-json": partial(common.echo, datatype, binary=False) for datatype in jsonable},
        **{f"rest-infer-{datatype}-binary": partial(common.echo, datatype, binary=True) for datatype in jsonable},
        "rest-binary-answer": binary_answer,
        "rest-classifier-json": partial(common.classify, binary=False),
        "rest-classifier-binary": partial(common.classify, binary=True),
        "rest-requested-output": common.requested_output,
        "rest-request-id": common.request_id,
        "rest-bad-shape": partial(fails, 400, common.bad_shape),
        "rest-wrong-datatype": partial(fails, 400, common.wrong_datatype),
        "rest-unknown-model": partial(fails, 404, common.unknown_model),
    }


def grpc_checks(client: InferenceGRPCClient, target: Target) -> dict[str, Check]:
    """The checks of InferenceGRPCClient."""

    async def fails(status: grpc.StatusCode, call: Callable[[], Any]) -> None:
        error = await raised(call, grpc.aio.AioRpcError)
        assert isinstance(error, grpc.aio.AioRpcError)
        expect(error.code(), status, str(error.details()))
        assert error.details(), "the error says nothing"

    common = Common(client.infer, target)
    invalid, not_found = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    typed = [datatype for datatype in DATATYPES if datatype not in JSONLESS]
    return {
        "grpc-live": partial(_is_true, client.is_server_live),
        "grpc-ready": partial(_is_true, client.is_server_ready),
        "grpc-model-ready": partial(_is_true, lambda: client.is_model_ready(common.model)),
        "grpc-unknown-model-not-ready": partial(_is_false, lambda: client.is_model_ready(UNKNOWN)),
        **{f"grpc-infer-{datatype}-typed": partial(common.echo, datatype, binary=False) for datatype in typed},
        **{f"grpc-infer-{datatype}-raw": partial(common.echo, datatype, binary=True) for datatype in DATATYPES},
        "grpc-classifier-typed": partial(common.classify, binary=False),
        "grpc-classifier-raw": partial(common.classify, binary=True),
        "grpc-requested-output": common.requested_output,
        "grpc-request-id": common.request_id,
        "grpc-bad-shape": partial(fails, invalid, common.bad_shape),
        "grpc-wrong-datatype": partial(fails, invalid, common.wrong_datatype),
        "grpc-unknown-model": partial(fails, not_found, common.unknown_model),
    }


def _input(name: str, datatype: str, array: Any, *, binary: bool) -> InferInput:
    one = InferInput(name, list(array.shape), datatype)
    one.set_data_from_numpy(array, binary_data=binary)
    return one


async def _is_true(call: Callable[[], Awaitable[object]]) -> None:
    expect(await call(), True)


async def _is_false(call: Callable[[], Awaitable[object]]) -> None:
    expect(await call(), False)


async def suite() -> dict[str, str]:
    """Run over REST, then over gRPC."""
    logging.disable(logging.CRITICAL)
    target = Target.from_arguments()
    async with (
        InferenceRESTClient(RESTConfig(protocol="v2")) as over_rest,
        InferenceGRPCClient(target.grpc) as over_grpc,
    ):
        return await report({**rest_checks(over_rest, target), **grpc_checks(over_grpc, target)})


if __name__ == "__main__":
    run(suite)
