"""What the model servers know of the served versions: statistics and configuration, under the public names."""

import asyncio
from typing import Any

from tidemill_gateway.model_server import ModelServer
from tidemill_gateway.serving import ServedModels, ServedVersion


class Inspection:
    """Reads only; several servers' statistics of one version are separate entries."""

    def __init__(self, models: ServedModels, server: ModelServer) -> None:
        self._models = models
        self._server = server

    async def statistics(self, model: str, version: int | None) -> list[Any]:
        """`ModelStatistics` of a version, of a model's versions, or of all (no model). Raises NotFound, Unavailable."""
        names = [model] if model else self._models.names()
        versions = [found for name in names for found in self._versions(name, version)]
        told = await asyncio.gather(*(self._server.statistics(item.server_name) for item in versions))
        for item, replicas in zip(versions, told, strict=True):
            for one in replicas:
                one.name, one.version = item.model, str(item.version)
        return [one for replicas in told for one in replicas]

    async def config(self, model: str, version: int | None) -> Any:
        """`ModelConfig` of a version, or of the champion. Raises NotFound, Unavailable."""
        served = self._models.get(model)
        chosen = served.champion if version is None else served.version(version)
        config = await self._server.config(chosen.server_name)
        config.name = model
        return config

    def _versions(self, model: str, version: int | None) -> list[ServedVersion]:
        served = self._models.get(model)
        if version is not None:
            return [served.version(version)]
        return [served.versions[number] for number in sorted(served.versions)]
