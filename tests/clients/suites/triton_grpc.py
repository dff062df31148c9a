"""tritonclient over gRPC: `triton_grpc.py TARGET blocking|asyncio`."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import tritonclient.grpc as blocking
import tritonclient.grpc.aio as asynchronous
from features import Check, expect, report, run, settle
from google.protobuf.json_format import MessageToDict
from streams import AsyncStreams, BlockingStreams
from target import Target
from triton import PATIENCE_SECONDS, UNKNOWN, TritonSuite
from tritonclient.utils import InferenceServerException


class GrpcSuite(TritonSuite):
    """Adds compression, deadlines, cancellation and streams."""

    NOT_FOUND = "StatusCode.NOT_FOUND"
    INVALID = "StatusCode.INVALID_ARGUMENT"
    REFUSALS = frozenset(
        {"StatusCode.UNIMPLEMENTED", "StatusCode.PERMISSION_DENIED", INVALID, "StatusCode.FAILED_PRECONDITION"}
    )

    def __init__(self, library: Any, client: Any, target: Target) -> None:
        super().__init__(library, client, target)
        self.streams = AsyncStreams(client) if library is asynchronous else BlockingStreams(client)

    def own(self) -> dict[str, Check]:
        return {
            "gzip": partial(self.compressed, "gzip"),
            "deflate": partial(self.compressed, "deflate"),
            "timeout": self.timeout,
            "cancellation": self.cancellation,
            "stream": self.stream,
            "stream-errors": self.stream_errors,
            "stream-final-response": self.stream_final_response,
            "stream-cancellation": self.stream_cancellation,
        }

    def document(self, answer: Any) -> dict[str, Any]:
        return MessageToDict(answer, preserving_proto_field_name=True)

    def config(self, answer: Any) -> Mapping[str, Any]:
        return self.document(answer)["config"]

    def index(self, answer: Any) -> Sequence[Mapping[str, Any]]:
        return self.document(answer)["models"]

    async def compressed(self, algorithm: str) -> None:
        result = await self.infer(self.model, self.identity_input(), compression_algorithm=algorithm)
        self.is_echo(result, "FP32")

    async def timeout(self) -> None:
        """The deadline passes; the gateway goes on serving."""
        await self.fails(
            "StatusCode.DEADLINE_EXCEEDED",
            lambda: self.infer(self.target.slow, self.slow_input(), client_timeout=PATIENCE_SECONDS),
        )
        self.is_echo(await self.infer(self.model, self.identity_input(), client_timeout=10), "FP32")

    async def cancellation(self) -> None:
        """The client cancels; the gateway goes on serving."""
        await self.streams.cancel_call(self.target.slow, self.slow_input(), PATIENCE_SECONDS)
        self.is_echo(await self.infer(self.model, self.identity_input()), "FP32")

    async def stream(self) -> None:
        datatypes = ("FP32", "BYTES", "INT64")
        requests = [self._request(self.target.identities[one], one, datatype=one) for one in datatypes]
        answers = await self.streams.ask(requests)
        by_id = {self.document(result.get_response())["id"]: result for result, _ in answers if result}
        expect(sorted(by_id), sorted(datatypes), str([error for _, error in answers if error]))
        for datatype in datatypes:
            self.is_echo(by_id[datatype], datatype)

    async def stream_errors(self) -> None:
        """Errors inside a stream are answers like others and do not end it."""
        bad = [self._request(UNKNOWN, "b"), self._request(self.model, "c", datatype="FP64")]
        answers = await self.streams.ask([self._request(self.model, "a"), *bad, self._request(self.model, "d")])
        results = [self.document(result.get_response())["id"] for result, _ in answers if result]
        errors = [error for _, error in answers if error]
        expect(sorted(results), ["a", "d"], str(errors))
        expect(len(errors), 2)
        assert all(isinstance(error, InferenceServerException) and error.message() for error in errors), errors

    async def stream_final_response(self) -> None:
        ((result, error),) = await self.streams.ask([self._request(self.model, "a")])
        assert result, error
        parameters = self.document(result.get_response()).get("parameters", {})
        expect(parameters.get("triton_final_response"), {"bool_param": True}, str(parameters))

    async def stream_cancellation(self) -> None:
        request = {"model_name": self.target.slow, "inputs": self.slow_input(), "request_id": "slow"}
        await self.streams.cancel_stream(request, PATIENCE_SECONDS)
        self.is_echo(await self.infer(self.model, self.identity_input()), "FP32")

    def _request(self, model: str, request_id: str, datatype: str = "FP32") -> dict[str, Any]:
        return {"model_name": model, "inputs": self.identity_input(datatype), "request_id": request_id}


async def suite() -> dict[str, str]:
    """Run with the client that the second argument names."""
    target = Target.from_arguments()
    library = {"blocking": blocking, "asyncio": asynchronous}[sys.argv[2]]
    client = library.InferenceServerClient(target.grpc)
    try:
        return await report(GrpcSuite(library, client, target).checks())
    finally:
        await settle(client.close())


if __name__ == "__main__":
    run(suite)
