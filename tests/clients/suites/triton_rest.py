"""tritonclient over REST: `triton_rest.py TARGET blocking|asyncio`."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import tritonclient.http as blocking
import tritonclient.http.aio as asynchronous
from features import Check, expect, raised, report, run, settle
from samples import DATATYPES, INPUT, JSONLESS, OUTPUT, sample
from target import Target
from triton import PATIENCE_SECONDS, TritonSuite


class RestSuite(TritonSuite):
    """Adds JSON tensors and compression."""

    NOT_FOUND = "404"
    INVALID = "400"
    REFUSALS = frozenset({"400", "403", "404", "405", "501"})

    def own(self) -> dict[str, Check]:
        return {
            **{f"infer-{datatype}-json-in": partial(self.json_in, datatype) for datatype in DATATYPES},
            **{f"infer-{datatype}-json-out": partial(self.json_out, datatype) for datatype in DATATYPES},
            "json-and-binary-outputs": self.json_and_binary_outputs,
            "gzip-request": partial(self.compressed, request_compression_algorithm="gzip"),
            "deflate-request": partial(self.compressed, request_compression_algorithm="deflate"),
            "gzip-response": partial(self.compressed, response_compression_algorithm="gzip"),
            "deflate-response": partial(self.compressed, response_compression_algorithm="deflate"),
            "gzip-error": self.compressed_error,
            "timeout": self.timeout,
            **({"cancellation": self.cancellation} if self.library is asynchronous else {}),
        }

    def document(self, answer: Any) -> dict[str, Any]:
        return dict(answer)

    def index(self, answer: Any) -> Sequence[Mapping[str, Any]]:
        return list(answer)

    async def json_in(self, datatype: str) -> None:
        one = self.library.InferInput(INPUT, list(sample(datatype).shape), datatype)
        one.set_data_from_numpy(sample(datatype), binary_data=False)
        await self._json(datatype, [one], binary_output=True)

    async def json_out(self, datatype: str) -> None:
        await self._json(datatype, self.identity_input(datatype), binary_output=False)

    async def _json(self, datatype: str, inputs: list[Any], *, binary_output: bool) -> None:
        model = self.target.identities[datatype]
        asked = [self.library.InferRequestedOutput(OUTPUT, binary_data=binary_output)]
        if datatype in JSONLESS:
            await self.fails(self.INVALID, lambda: self.infer(model, inputs, outputs=asked))
            return
        result = await self.infer(model, inputs, outputs=asked)
        self.is_echo(result, datatype)
        (output,) = result.get_response()["outputs"]
        expect("data" in output, not binary_output, str(output))

    async def json_and_binary_outputs(self) -> None:
        asked = [
            self.library.InferRequestedOutput("label", binary_data=False),
            self.library.InferRequestedOutput("probabilities", binary_data=True),
        ]
        result = await self.infer(self.target.classifier, self.classifier_inputs(), outputs=asked)
        self.is_classified(result)
        forms = {output["name"]: "data" in output for output in result.get_response()["outputs"]}
        expect(forms, {"label": True, "probabilities": False})

    async def compressed(self, **algorithm: str) -> None:
        self.is_echo(await self.infer(self.model, self.identity_input(), **algorithm), "FP32")
        result = await self.infer(self.target.classifier, self.classifier_inputs(), **algorithm)
        self.is_classified(result)

    async def compressed_error(self) -> None:
        inputs = self.identity_input("FP64")
        await self.fails(self.INVALID, lambda: self.infer(self.model, inputs, request_compression_algorithm="gzip"))

    async def timeout(self) -> None:
        """The client gives up; the gateway goes on serving."""
        impatient = self.library.InferenceServerClient(self.target.rest, **self._impatience())
        await raised(lambda: impatient.infer(self.target.slow, self.slow_input()), TimeoutError)
        await settle(impatient.close())
        self.is_echo(await self.infer(self.model, self.identity_input()), "FP32")

    def _impatience(self) -> dict[str, float]:
        option = "conn_timeout" if self.library is asynchronous else "network_timeout"
        return {option: PATIENCE_SECONDS}

    async def cancellation(self) -> None:
        """The client hangs up; the gateway goes on serving."""
        call = asyncio.create_task(self.infer(self.target.slow, self.slow_input()))
        await asyncio.wait([call], timeout=PATIENCE_SECONDS)
        expect(call.done(), False, "slow enough to be cancelled")
        call.cancel()
        await asyncio.wait([call])
        expect(call.cancelled(), True)
        self.is_echo(await self.infer(self.model, self.identity_input()), "FP32")


async def suite() -> dict[str, str]:
    """Run with the client that the second argument names."""
    target = Target.from_arguments()
    library = {"blocking": blocking, "asyncio": asynchronous}[sys.argv[2]]
    client = library.InferenceServerClient(target.rest)
    try:
        return await report(RestSuite(library, client, target).checks())
    finally:
        await settle(client.close())


if __name__ == "__main__":
    run(suite)
