"""What metadata says, the same over REST and gRPC."""

from typing import Any

from tidemill_contracts.manifest import TensorSpec
from tidemill_runtime.errors import NotFound

from tidemill_gateway.routes import Routes
from tidemill_gateway.serving import ServedModels

SERVER = "tidemill"
SERVER_VERSION = "0.1.0"
EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]
PLATFORM = "onnxruntime_onnx"
VERSION_DIGITS = 9


class Views:
    """Server and models as clients see them, under their public names."""

    def __init__(self, models: ServedModels, routes: Routes) -> None:
        self._models = models
        self._routes = routes

    def server(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": SERVER, "version": SERVER_VERSION, "extensions": EXTENSIONS}

    def model(self, model: str, version: int | None) -> dict[str, Any]:
        """Metadata of a model: of `version`, or of the champion; raises NotFound."""
        served = self._models.get(model)
        chosen = served.champion if version is None else served.version(version)
        return {
            "name": model,
            "versions": [str(number) for number in sorted(served.versions)],
            "platform": PLATFORM,
            "inputs": [_tensor(spec) for spec in chosen.signature.inputs],
            "outputs": [_tensor(spec) for spec in chosen.signature.outputs],
        }

    def model_ready(self, model: str, version: int | None) -> bool:
        """Whether a model (or a version of it) takes requests; raises NotFound if it is not known."""
        served = self._models.get(model)
        if version is not None:
            served.version(version)
        return self._routes.is_ready(model)

    def index(self, only_ready: bool = False) -> list[dict[str, str]]:
        """Every version that is served or warm, with its state."""
        return [
            {"name": model, "version": str(version), "state": "READY" if ready else "UNAVAILABLE", "reason": ""}
            for model in self._models.names()
            for version in sorted(self._models.get(model).versions)
            if (ready := self._routes.is_ready(model)) or not only_ready
        ]

    def ready_or_false(self, model: str, version: int | None) -> bool:
        """`model_ready`, False for what is not known."""
        try:
            return self.model_ready(model, version)
        except NotFound:
            return False


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def parse_version(text: str | None) -> int | None:
    """A version as clients write it, None for none; raises NotFound for what cannot be one."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= VERSION_DIGITS):
        raise NotFound(f"no version {text[:40]!r}; versions are whole numbers")
    return int(text)
