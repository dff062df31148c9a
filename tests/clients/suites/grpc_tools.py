"""Tools for any gRPC service, health probes and reflection, as grpcurl uses them: `grpc_tools.py TARGET`."""

from collections.abc import Callable
from typing import Any

import grpc
from features import Check, expect, raised, report, run
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from target import Target

SERVICE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
SERVING = health_pb2.HealthCheckResponse.SERVING
SECONDS = 5
METHODS = {
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "ModelStreamInfer",
    "ModelConfig",
    "ModelStatistics",
    "RepositoryIndex",
}


class ToolSuite:
    """Checks over one channel."""

    def __init__(self, channel: grpc.Channel, target: Target) -> None:
        self.channel = channel
        self.target = target
        self.health = health_pb2_grpc.HealthStub(channel)

    def checks(self) -> dict[str, Check]:
        """The checks by feature."""
        return {
            "health-check": self.health_check,
            "health-check-service": self.health_check_service,
            "health-check-unknown": self.health_check_unknown,
            "health-watch": self.health_watch,
            "reflection-v1alpha": lambda: self.lists_services("v1alpha"),
            "reflection-v1": lambda: self.lists_services("v1"),
            "reflection-describes-service": self.describes_service,
            "reflection-unknown-symbol": self.unknown_symbol,
            "reflected-call": self.reflected_call,
            "unknown-method": self.unknown_method,
        }

    def health_check(self) -> None:
        answer = self.health.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        expect(answer.status, SERVING)

    def health_check_service(self) -> None:
        answer = self.health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=SECONDS)
        expect(answer.status, SERVING)

    async def health_check_unknown(self) -> None:
        request = health_pb2.HealthCheckRequest(service="nobody")
        await _fails(grpc.StatusCode.NOT_FOUND, lambda: self.health.Check(request, timeout=SECONDS))

    def health_watch(self) -> None:
        """The status comes at once, and the stream stays open for the next one."""
        watch = self.health.Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        expect(next(watch).status, SERVING)
        expect(watch.is_active(), True)
        watch.cancel()

    def lists_services(self, version: str) -> None:
        """The messages of both versions of the reflection service are the same on the wire."""
        ask = self.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(ask(iter([request]), timeout=SECONDS))
        names = {service.name for service in answer.list_services_response.service}
        assert {SERVICE, HEALTH} <= names, names

    def describes_service(self) -> None:
        service = self._pool().FindServiceByName(SERVICE)
        methods = {method.name: method for method in service.methods}
        assert set(methods) >= METHODS, sorted(METHODS - set(methods))
        inputs = {field.name for field in methods["ModelInfer"].input_type.fields}
        assert {"model_name", "model_version", "id", "inputs", "outputs", "raw_input_contents"} <= inputs, inputs
        stream = methods["ModelStreamInfer"]
        expect((stream.client_streaming, stream.server_streaming), (True, True))

    def unknown_symbol(self) -> None:
        try:
            self._pool().FindServiceByName("nobody.Nothing")
        except KeyError:
            return
        raise AssertionError("a service that nobody has is described")

    def reflected_call(self) -> None:
        """What is described can be called, without any generated code."""
        method = self._pool().FindServiceByName(SERVICE).FindMethodByName("ModelMetadata")
        call = self.channel.unary_unary(
            f"/{SERVICE}/ModelMetadata",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        request: Any = GetMessageClass(method.input_type)(name=self.target.classifier)
        expect(call(request, timeout=SECONDS).name, self.target.classifier)

    async def unknown_method(self) -> None:
        call = self.channel.unary_unary(f"/{SERVICE}/DoSomethingElse")
        await _fails(grpc.StatusCode.UNIMPLEMENTED, lambda: call(b"", timeout=SECONDS))

    def _pool(self) -> DescriptorPool:
        return DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))


async def _fails(status: grpc.StatusCode, call: Callable[[], Any]) -> None:
    error: Any = await raised(call, grpc.RpcError)
    expect(error.code(), status, error.details())


async def suite() -> dict[str, str]:
    """Run every check."""
    target = Target.from_arguments()
    with grpc.insecure_channel(target.grpc) as channel:
        return await report(ToolSuite(channel, target).checks())


if __name__ == "__main__":
    run(suite)
