"""A Triton backend named `onnxruntime`, written for the python backend and running ONNX Runtime on the CPU.

It serves the same repository (`backend: "onnxruntime"`, `1/model.onnx`) as Triton's native backend of that name.
The requests of one `execute` that agree in trailing shapes become one ONNX Runtime run.
"""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class InvalidRequest(Exception):
    """One request cannot be answered; the others of its batch can."""


class TritonPythonModel:
    """One instance of one model version."""

    def initialize(self, args):
        """Load `<version>/model.onnx` from memory, so that external data files are never read."""
        config = json.loads(args["model_config"])
        name = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / name
        self.session = onnxruntime.InferenceSession(
            path.read_bytes(), session_options(config.get("parameters", {})), providers=["CPUExecutionProvider"]
        )
        self.inputs = [item["name"] for item in config["input"]]
        self.outputs = [item["name"] for item in config["output"]]
        self.batched = config.get("max_batch_size", 0) > 0
        check_names("input", self.inputs, [item.name for item in self.session.get_inputs()])
        check_names("output", self.outputs, [item.name for item in self.session.get_outputs()])

    def execute(self, requests):
        """Answer every request, in order; a bad one gets its own error."""
        responses = [None] * len(requests)
        groups = defaultdict(list)
        for position, request in enumerate(requests):
            try:
                feed = self.read(request)
            except InvalidRequest as error:
                responses[position] = failure(error)
            else:
                groups[self.group_key(position, feed)].append((position, feed))
        for members in groups.values():
            for position, results in self.run(members):
                responses[position] = self.respond(requests[position], results)
        return responses

    def read(self, request):
        """The request's input tensors by name, texts decoded."""
        feed = {}
        for name in self.inputs:
            tensor = pb_utils.get_input_tensor_by_name(request, name)
            if tensor is None:
                raise InvalidRequest(f"input '{name}' is missing")
            feed[name] = decode(name, tensor.as_numpy())
        if self.batched and len({len(value) for value in feed.values()}) > 1:
            raise InvalidRequest("the inputs differ in their batch size")
        return feed

    def group_key(self, position, feed):
        """Requests with equal keys are run together; without a batch dimension each runs alone."""
        return tuple(value.shape[1:] for value in feed.values()) if self.batched else position

    def run(self, members):
        """Yield (position, outputs or the error) for each member of one group."""
        try:
            yield from self.run_together(members)
        except Exception as error:
            if len(members) == 1:
                yield members[0][0], error
                return
            for member in members:
                yield from self.run([member])

    def run_together(self, members):
        """One ONNX Runtime run over the members' rows, its outputs cut at the members' borders."""
        if len(members) == 1:
            position, feed = members[0]
            return [(position, self.session.run(self.outputs, feed))]
        feed = {name: np.concatenate([feed[name] for _, feed in members]) for name in self.inputs}
        borders = np.cumsum([len(feed[self.inputs[0]]) for _, feed in members])[:-1]
        columns = [np.split(values, borders) for values in self.session.run(self.outputs, feed)]
        return [(position, parts) for (position, _), *parts in zip(members, *columns, strict=True)]

    def respond(self, request, results):
        """A response with the outputs the request asks for."""
        if isinstance(results, Exception):
            return failure(results)
        wanted = request.requested_output_names()
        tensors = [
            pb_utils.Tensor(name, values)
            for name, values in zip(self.outputs, results, strict=True)
            if not wanted or name in wanted
        ]
        return pb_utils.InferenceResponse(output_tensors=tensors)


def session_options(parameters):
    """One thread per instance unless the configuration says otherwise: Triton scales by instances."""
    options = onnxruntime.SessionOptions()
    threads = parameters.get("intra_op_thread_count", {}).get("string_value")
    options.intra_op_num_threads = int(threads or 1)
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return options


def check_names(kind, configured, actual):
    """Raise when the configuration names a tensor the model lacks, or leaves out an input it needs."""
    unknown = set(configured) - set(actual)
    unfed = set(actual) - set(configured) if kind == "input" else set()
    if unknown or unfed:
        raise pb_utils.TritonModelException(
            f"config.pbtxt and model.onnx disagree on {kind} names: {sorted(unknown | unfed)}"
        )


def decode(name, values):
    """BYTES as an object array of str; other tensors unchanged."""
    if values.dtype != np.object_:
        return values
    decoded = np.empty(values.size, dtype=object)
    try:
        decoded[:] = [item.decode() if isinstance(item, bytes) else str(item) for item in values.ravel()]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"input '{name}' is not UTF-8: {error.reason}") from error
    return decoded.reshape(values.shape)


def failure(error):
    """An error response that blames the request."""
    invalid = pb_utils.TritonError.INVALID_ARG
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(str(error), invalid))
