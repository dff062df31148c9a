"""What the monitor knows of its models, over HTTP. A replica answers for the models it evaluates."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from tidemill.v1.monitoring_pb2 import DriftDetected
from tidemill_runtime.errors import NotFound
from tidemill_runtime.http import create_app

from tidemill_monitor import views
from tidemill_monitor.domain.watched import Catalogue
from tidemill_monitor.evaluation import EvaluationStage, Model

Limit = Annotated[int, Query(ge=1, le=400, description="Windows, the newest ones.")]
Alarms = Annotated[int, Query(ge=1, le=1000, description="Alarms, the newest ones.")]
Slice = Annotated[
    str | None, Query(max_length=200, description="A slice, such as `origin=JFK`; absent: all rows together.")
]
AnySlice = Annotated[
    str | None, Query(max_length=200, description="A slice, such as `origin=JFK`, or empty: all rows; absent: every.")
]


class Models:
    """The models a replica can answer for."""

    def __init__(self, stage: EvaluationStage, catalogue: Catalogue) -> None:
        self._stage = stage
        self._catalogue = catalogue

    def check(self, name: str) -> None:
        """Raises NotFound unless a pipeline file has the model."""
        if self._catalogue.watch(name) is None:
            raise NotFound(f"no pipeline file has the model {name!r}; there are {', '.join(self._catalogue.models)}")

    def of(self, name: str) -> Model:
        """A model evaluated here. Raises NotFound for any other."""
        self.check(name)
        if name not in self._stage.models:
            raise NotFound(f"nothing known of model {name!r} here: no predictions yet, or another replica evaluates it")
        return self._stage.models[name]

    def alarm(self, name: str, identity: str) -> DriftDetected | None:
        """An alarm by its id. Raises NotFound for a model that is not evaluated here."""
        raised = self.of(name).records.alarms.get(identity)
        return raised.alarm if raised is not None else None


def make_app(
    models: Models,
    catalogue: Catalogue,
    readiness: Callable[[], Awaitable[Mapping[str, bool]]],
    routers: Iterable[APIRouter] = (),
) -> FastAPI:
    """The monitor's endpoints, and those of other routers."""
    app = create_app("Tidemill monitor", readiness)

    @app.get("/v1/models/{name}/health", tags=["monitor"])
    async def health(name: str) -> dict[str, Any]:
        """Healthy, degraded, unhealthy or unknown; what each monitor says; ages in event time."""
        return views.health(models.of(name))

    @app.get("/v1/models/{name}/drift", tags=["monitor"])
    async def drift(name: str, limit: Alarms = 200, slice: AnySlice = None) -> dict[str, Any]:  # noqa: A002
        """The last alarms with their evidence, the newest first."""
        return views.alarms(models.of(name), limit, slice)

    @app.get("/v1/models/{name}/drift/{alarm_id}", tags=["monitor"])
    async def alarm(name: str, alarm_id: str) -> dict[str, Any]:
        """One alarm; the strongest evidence with its distributions then and now."""
        return views.alarm(models.of(name), alarm_id)

    @app.get("/v1/models/{name}/performance", tags=["monitor"])
    async def performance(name: str, limit: Limit = 30, slice: Slice = None) -> dict[str, Any]:  # noqa: A002
        """Realised, estimated and promised performance, by prediction time and by label time, the newest first."""
        return views.performance(models.of(name), catalogue, limit, slice)

    @app.get("/v1/models/{name}/windows", tags=["monitor"])
    async def windows(name: str, limit: Limit = 30, slice: AnySlice = None) -> dict[str, Any]:  # noqa: A002
        """What was found in each window, with effects by feature, the newest first."""
        return views.windows(models.of(name), limit, slice)

    for router in routers:
        app.include_router(router)
    return app
