"""What tritonclient's four clients have in common; blocking and asyncio ones differ only in what is awaited."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from features import Check, expect, raised, settle
from samples import CLASSIFIER_INPUTS, DATATYPES, INPUT, OUTPUT, classifier_outputs, flat, sample
from target import Target
from tritonclient.utils import InferenceServerException

SLOW_ROUNDS = 1_000_000
"""About a second of work."""
PATIENCE_SECONDS = 0.2
UNKNOWN = "clients-nobody-routed-this"


class TritonSuite:
    """Checks through one client of `library`, a module of tritonclient."""

    NOT_FOUND: ClassVar[str]
    INVALID: ClassVar[str]
    REFUSALS: ClassVar[frozenset[str]]

    def __init__(self, library: Any, client: Any, target: Target) -> None:
        self.library = library
        self.client = client
        self.target = target
        self.model = target.identities["FP32"]

    def checks(self) -> dict[str, Check]:
        """The checks by feature; what could do harm comes last."""
        return {**self._common(), **self.own(), **self._refusals()}

    def own(self) -> dict[str, Check]:
        """The checks that this protocol adds."""
        raise NotImplementedError

    def _common(self) -> dict[str, Check]:
        return {
            "live": self.live,
            "ready": self.ready,
            "model-ready": self.model_ready,
            "model-ready-version": self.model_ready_version,
            "unknown-model-not-ready": self.unknown_model_not_ready,
            "server-metadata": self.server_metadata,
            "model-metadata": partial(self.model_metadata, ""),
            "model-metadata-version": partial(self.model_metadata, "1"),
            "unknown-model-metadata": self.unknown_model_metadata,
            **{f"infer-{datatype}-binary": partial(self.infer_binary, datatype) for datatype in DATATYPES},
            "version": self.version,
            "unknown-version": self.unknown_version,
            "all-outputs": self.all_outputs,
            "requested-outputs": self.requested_outputs,
            "unknown-output": self.unknown_output,
            "request-id": self.request_id,
            "unknown-model": self.unknown_model,
            "bad-shape": self.bad_shape,
            "wrong-datatype": self.wrong_datatype,
            "missing-input": self.missing_input,
            "unknown-input": self.unknown_input,
            "timeout-parameter": self.timeout_parameter,
            "headers": self.headers,
            "statistics": self.statistics,
            "statistics-of-all": self.statistics_of_all,
            "model-config": self.model_config,
            "repository-index": self.repository_index,
        }

    def _refusals(self) -> dict[str, Check]:
        client, model = self.client, self.target.slow
        return {
            "no-shared-memory-tensor": self.no_shared_memory_tensor,
            "no-system-shared-memory": partial(
                self.refused, lambda: client.register_system_shared_memory("region", "/region", 16)
            ),
            "no-cuda-shared-memory": partial(
                self.refused, lambda: client.register_cuda_shared_memory("region", b"aGFuZGxl", 0, 16)
            ),
            "no-trace-settings": partial(
                self.refused, lambda: client.update_trace_settings(settings={"trace_level": ["OFF"]})
            ),
            "no-log-settings": partial(self.refused, lambda: client.update_log_settings({"log_verbose_level": 0})),
            "no-load-model": partial(self.refused, lambda: client.load_model(model)),
            "no-unload-model": partial(self.refused, lambda: client.unload_model(model)),
        }

    def document(self, answer: Any) -> dict[str, Any]:
        """An answer of the client as JSON."""
        raise NotImplementedError

    def tensor(self, name: str, datatype: str, array: Any) -> Any:
        """An input in binary form."""
        one = self.library.InferInput(name, list(array.shape), datatype)
        one.set_data_from_numpy(array)
        return one

    def identity_input(self, datatype: str = "FP32") -> list[Any]:
        return [self.tensor(INPUT, datatype, sample(datatype))]

    def slow_input(self) -> list[Any]:
        return [self.tensor(INPUT, "INT64", np.array([[SLOW_ROUNDS]], np.int64))]

    def classifier_inputs(self) -> list[Any]:
        return [self.tensor(name, datatype, array) for name, (datatype, array) in CLASSIFIER_INPUTS.items()]

    async def infer(self, model: str, inputs: Sequence[Any], **options: Any) -> Any:
        return await settle(self.client.infer(model, inputs, **options))

    async def fails(self, status: str, call: Callable[[], Any]) -> None:
        """Fail unless the server answers `call` with an error of `status` that says something."""
        error = await raised(call, InferenceServerException)
        assert isinstance(error, InferenceServerException)
        expect(error.status(), status, str(error))
        assert error.message(), "the error says nothing"
        assert "exception occurred in the client" not in error.message(), error.message()

    async def refused(self, call: Callable[[], Any]) -> None:
        """Fail unless the server answers that it does not do this."""
        error = await raised(call, InferenceServerException)
        assert isinstance(error, InferenceServerException)
        assert error.status() in self.REFUSALS, f"{error.status()}: {error.message()}"
        assert "exception occurred in the client" not in error.message(), error.message()

    async def live(self) -> None:
        expect(await settle(self.client.is_server_live()), True)

    async def ready(self) -> None:
        expect(await settle(self.client.is_server_ready()), True)

    async def model_ready(self) -> None:
        expect(await settle(self.client.is_model_ready(self.model)), True)

    async def model_ready_version(self) -> None:
        expect(await settle(self.client.is_model_ready(self.model, "1")), True)
        expect(await settle(self.client.is_model_ready(self.model, "7")), False, "version 7")

    async def unknown_model_not_ready(self) -> None:
        expect(await settle(self.client.is_model_ready(UNKNOWN)), False)

    async def server_metadata(self) -> None:
        metadata = self.document(await settle(self.client.get_server_metadata()))
        assert metadata["name"], metadata
        assert metadata["version"], metadata
        assert {"binary_tensor_data", "statistics", "model_configuration"} <= set(metadata["extensions"]), metadata

    async def model_metadata(self, version: str) -> None:
        metadata = self.document(await settle(self.client.get_model_metadata(self.target.classifier, version)))
        expect(metadata["name"], self.target.classifier)
        expect(metadata["versions"], ["1"])
        assert metadata["platform"], metadata
        wanted = {name: (datatype, ["-1", "1"]) for name, (datatype, _) in CLASSIFIER_INPUTS.items()}
        expect(_described(metadata["inputs"]), wanted)
        outputs = {"label": ("INT64", ["-1", "1"]), "probabilities": ("FP32", ["-1", "2"])}
        expect(_described(metadata["outputs"]), outputs)

    async def unknown_model_metadata(self) -> None:
        await self.fails(self.NOT_FOUND, lambda: self.client.get_model_metadata(UNKNOWN))

    async def infer_binary(self, datatype: str) -> None:
        model = self.target.identities[datatype]
        result = await self.infer(model, self.identity_input(datatype))
        self.is_echo(result, datatype)
        response = self.document(result.get_response())
        expect(response["model_name"], model)
        expect(response["model_version"], "1")

    def is_echo(self, result: Any, datatype: str) -> None:
        """Fail unless the identity of `datatype` answered what it was sent."""
        sent, answered = sample(datatype), result.as_numpy(OUTPUT)
        expect(answered.dtype, sent.dtype)
        expect(answered.shape, sent.shape)
        expect(flat(answered), flat(sent))
        (output,) = self.document(result.get_response())["outputs"]
        expect(output["datatype"], datatype)

    def is_classified(self, result: Any) -> None:
        """Fail unless the classifier gave both its outputs, and the right ones."""
        label, probabilities = classifier_outputs()
        expect(flat(result.as_numpy("label")), flat(label))
        answered = result.as_numpy("probabilities")
        expect(answered.shape, probabilities.shape)
        assert np.allclose(answered, probabilities, atol=1e-5), answered

    def names(self, result: Any) -> list[str]:
        return [output["name"] for output in self.document(result.get_response())["outputs"]]

    async def version(self) -> None:
        self.is_echo(await self.infer(self.model, self.identity_input(), model_version="1"), "FP32")

    async def unknown_version(self) -> None:
        await self.fails(self.NOT_FOUND, lambda: self.infer(self.model, self.identity_input(), model_version="7"))

    async def all_outputs(self) -> None:
        result = await self.infer(self.target.classifier, self.classifier_inputs())
        self.is_classified(result)
        expect(sorted(self.names(result)), ["label", "probabilities"])

    async def requested_outputs(self) -> None:
        asked = [self.library.InferRequestedOutput("probabilities")]
        result = await self.infer(self.target.classifier, self.classifier_inputs(), outputs=asked)
        expect(self.names(result), ["probabilities"])
        asked.append(self.library.InferRequestedOutput("label"))
        self.is_classified(await self.infer(self.target.classifier, self.classifier_inputs(), outputs=asked))

    async def unknown_output(self) -> None:
        asked = [self.library.InferRequestedOutput("nothing")]
        await self.fails(self.INVALID, lambda: self.infer(self.model, self.identity_input(), outputs=asked))

    async def request_id(self) -> None:
        result = await self.infer(self.model, self.identity_input(), request_id="my-own-1")
        expect(self.document(result.get_response())["id"], "my-own-1")

    async def unknown_model(self) -> None:
        await self.fails(self.NOT_FOUND, lambda: self.infer(UNKNOWN, self.identity_input()))

    async def bad_shape(self) -> None:
        wide = [self.tensor(INPUT, "FP32", np.zeros((2, 7), np.float32))]
        await self.fails(self.INVALID, lambda: self.infer(self.model, wide))

    async def wrong_datatype(self) -> None:
        await self.fails(self.INVALID, lambda: self.infer(self.model, self.identity_input("FP64")))

    async def missing_input(self) -> None:
        inputs = self.classifier_inputs()[1:]
        await self.fails(self.INVALID, lambda: self.infer(self.target.classifier, inputs))

    async def unknown_input(self) -> None:
        inputs = [*self.identity_input(), self.tensor("nothing", "FP32", sample("FP32"))]
        await self.fails(self.INVALID, lambda: self.infer(self.model, inputs))

    async def timeout_parameter(self) -> None:
        self.is_echo(await self.infer(self.model, self.identity_input(), timeout=10_000_000), "FP32")

    async def headers(self) -> None:
        """A header arrives: one that the gateway reads is obeyed, and refused where it is nonsense."""
        good = {"tidemill-event-time": "2013-03-01T12:00:00Z", "x-of-the-client": "anything"}
        self.is_echo(await self.infer(self.model, self.identity_input(), headers=good), "FP32")
        bad = {"tidemill-event-time": "yesterday or so"}
        await self.fails(self.INVALID, lambda: self.infer(self.model, self.identity_input(), headers=bad))

    async def statistics(self) -> None:
        before = await self._inferences("1")
        await self.infer(self.model, self.identity_input())
        expect(await self._inferences("") >= before + 1, True, "counts an inference")

    async def statistics_of_all(self) -> None:
        found = self.document(await settle(self.client.get_inference_statistics()))["model_stats"]
        names = {entry["name"] for entry in found}
        assert {self.model, self.target.classifier} <= names, names

    async def _inferences(self, version: str) -> int:
        answer = self.document(await settle(self.client.get_inference_statistics(self.model, version)))
        (entry,) = answer["model_stats"]
        expect(entry["name"], self.model)
        expect(entry["version"], "1")
        assert int(entry["inference_stats"]["success"]["count"]) > 0, entry
        return int(entry["execution_count"])

    async def model_config(self) -> None:
        config = self.config(await settle(self.client.get_model_config(self.model)))
        expect(config["name"], self.model)
        expect([(item["name"], item["data_type"]) for item in config["input"]], [(INPUT, "TYPE_FP32")])
        expect([(item["name"], item["data_type"]) for item in config["output"]], [(OUTPUT, "TYPE_FP32")])

    def config(self, answer: Any) -> Mapping[str, Any]:
        """The model configuration in an answer."""
        return self.document(answer)

    async def repository_index(self) -> None:
        index = self.index(await settle(self.client.get_model_repository_index()))
        states = {(entry["name"], entry.get("version")): entry.get("state") for entry in index}
        expect(states.get((self.model, "1")), "READY", str(states))

    def index(self, answer: Any) -> Sequence[Mapping[str, Any]]:
        """The models in an answer."""
        raise NotImplementedError

    async def no_shared_memory_tensor(self) -> None:
        one = self.library.InferInput(INPUT, list(sample("FP32").shape), "FP32")
        one.set_shared_memory("region", sample("FP32").nbytes)
        await self.refused(lambda: self.infer(self.model, [one]))


def _described(tensors: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, list[str]]]:
    return {one["name"]: (one["datatype"], [str(size) for size in one["shape"]]) for one in tensors}
