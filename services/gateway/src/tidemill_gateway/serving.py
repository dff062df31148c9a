"""The versions that serve now, as metadata and named rows need them; the data plane has the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidemill_contracts.manifest import Manifest, Signature
from tidemill_runtime.errors import NotFound

from tidemill_gateway.domain.routing import RouteTable


def server_name(model: str, version: int) -> str:
    """Name of a version in the model server."""
    return f"{model}-v{version}"


@dataclass(frozen=True)
class ServedVersion:
    """A version that is loaded and proven."""

    model: str
    version: int
    digest: str
    manifest: Manifest

    @property
    def server_name(self) -> str:
        return server_name(self.model, self.version)

    @property
    def signature(self) -> Signature:
        return self.manifest


@dataclass(frozen=True)
class ServedModel:
    """A route in effect: every arm's version is ready, mirrors and warm versions as far as they are."""

    table: RouteTable
    versions: Mapping[int, ServedVersion]

    @property
    def champion(self) -> ServedVersion:
        """The first arm's version."""
        return self.versions[self.table.arms[0].version]

    def version(self, version: int) -> ServedVersion:
        """A version that is routed or warm; raises NotFound."""
        if version not in self.versions:
            known = ", ".join(str(number) for number in sorted(self.versions))
            raise NotFound(f"model {self.table.model} has no version {version} here; it has {known}")
        return self.versions[version]


@dataclass
class ServedModels:
    """Every model that serves, by its public name; a swap is one assignment."""

    _models: dict[str, ServedModel] = field(default_factory=dict)

    def find(self, model: str) -> ServedModel | None:
        return self._models.get(model)

    def get(self, model: str) -> ServedModel:
        """The model; raises NotFound."""
        if model not in self._models:
            raise NotFound(f"no model {model[:100]!r} is served here")
        return self._models[model]

    def swap(self, served: ServedModel) -> None:
        self._models[served.table.model] = served

    def names(self) -> list[str]:
        return sorted(self._models)
