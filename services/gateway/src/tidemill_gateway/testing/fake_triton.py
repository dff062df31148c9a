"""A Triton in this process: the same gRPC service over the same model repository, running fake models."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2

from tidemill_gateway.domain.tensors import Tensor
from tidemill_gateway.testing.fake_model import FakeModel

SERVICE = "inference.GRPCInferenceService"


class FakeTriton:
    """Loads fake models under explicit control.

    While `gate` is clear, inferences wait; those of models in `hanging` wait until `release`. `fail` has them fail.
    A name in `broken` cannot be loaded.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._server: grpc.aio.Server | None = None
        self.loaded: dict[str, FakeModel] = {}
        self.broken: set[str] = set()
        self.hanging: set[str] = set()
        self._released = asyncio.Event()
        self.loads: list[str] = []
        self.inferences: list[str] = []
        self.failure: grpc.StatusCode | None = None
        self.failures_left = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
        methods: dict[str, tuple[Any, Any]] = {
            "ServerLive": (self._live, service_pb2.ServerLiveRequest),
            "ModelStatistics": (self._statistics, service_pb2.ModelStatisticsRequest),
            "ModelConfig": (self._config, service_pb2.ModelConfigRequest),
            "ModelReady": (self._ready, service_pb2.ModelReadyRequest),
            "ModelInfer": (self._infer, service_pb2.ModelInferRequest),
            "RepositoryModelLoad": (self._load, service_pb2.RepositoryModelLoadRequest),
            "RepositoryModelUnload": (self._unload, service_pb2.RepositoryModelUnloadRequest),
        }
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(
                method,
                request_deserializer=request.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, (method, request) in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        self._released.set()
        if self._server:
            await self._server.stop(None)
            self._server = None

    def forget(self) -> None:
        """Lose every model, as a restarted server under explicit control does."""
        self.loaded.clear()

    def release(self) -> None:
        """Let what hangs go on."""
        self.hanging.clear()
        self._released.set()

    def fail(self, code: grpc.StatusCode, times: int) -> None:
        """Have the next `times` inferences fail with `code`."""
        self.failure, self.failures_left = code, times

    async def _live(self, _: Any, __: Any) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    async def _statistics(self, request: Any, _: Any) -> Any:
        count = self.inferences.count(request.name)
        statistics = service_pb2.ModelStatistics(name=request.name, version="1", inference_count=count)
        return service_pb2.ModelStatisticsResponse(model_stats=[statistics])

    async def _config(self, request: Any, _: Any) -> Any:
        text = (self._repository / request.name / "config.pbtxt").read_text()
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
        return service_pb2.ModelConfigResponse(config=config)

    async def _ready(self, request: Any, _: Any) -> Any:
        return service_pb2.ModelReadyResponse(ready=request.name in self.loaded)

    async def _load(self, request: Any, context: Any) -> Any:
        name = request.model_name
        self.loads.append(name)
        path = self._repository / name / "1" / "model.onnx"
        if name in self.broken or not path.exists():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"failed to load '{name}'")
        self.loaded[name] = FakeModel.from_onnx(path.read_bytes())
        return service_pb2.RepositoryModelLoadResponse()

    async def _unload(self, request: Any, _: Any) -> Any:
        self.loaded.pop(request.model_name, None)
        return service_pb2.RepositoryModelUnloadResponse()

    async def _infer(self, request: Any, context: Any) -> Any:
        self.inferences.append(request.model_name)
        await self.gate.wait()
        if request.model_name in self.hanging:
            await self._released.wait()
        if self.failure and self.failures_left:
            self.failures_left -= 1
            await context.abort(self.failure, "made to fail by a test")
        if request.model_name not in self.loaded:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.model_name}'")
        inputs = {
            item.name: Tensor(item.name, item.datatype, tuple(item.shape), raw)
            for item, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        outputs = self.loaded[request.model_name].run(inputs)
        return service_pb2.ModelInferResponse(
            model_name=request.model_name,
            outputs=[
                service_pb2.ModelInferResponse.InferOutputTensor(
                    name=item.name, datatype=item.datatype, shape=item.shape
                )
                for item in outputs
            ],
            raw_output_contents=[item.raw for item in outputs],
        )
