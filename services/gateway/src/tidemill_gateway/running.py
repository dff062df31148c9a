"""One run of a version in the model server, its answer checked."""

from collections.abc import Sequence

from tidemill_runtime.errors import TidemillError

from tidemill_gateway.domain.golden import output_fault
from tidemill_gateway.domain.tensors import Tensor
from tidemill_gateway.model_server import ModelServer
from tidemill_gateway.serving import ServedVersion


async def run(
    server: ModelServer, version: ServedVersion, inputs: Sequence[Tensor], rows: int, seconds: float
) -> tuple[Tensor, ...]:
    """Every output of the version, in its signature's order; TidemillError if one is not what the signature says."""
    specs = version.signature.outputs
    outputs = await server.infer(version.server_name, inputs, [spec.name for spec in specs], seconds)
    given = {tensor.name: tensor for tensor in outputs}
    for spec in specs:
        fault = output_fault(spec, given[spec.name], rows) if spec.name in given else f"output {spec.name!r} is missing"
        if fault:
            raise TidemillError(f"version {version.version} of {version.model} gave a broken answer: {fault}")
    return tuple(given[spec.name] for spec in specs)
