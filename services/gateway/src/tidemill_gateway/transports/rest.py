"""The Open Inference Protocol V2 over REST, but for inference, which the data plane answers."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from tidemill_gateway.domain.json_values import parse_object
from tidemill_gateway.inspection import Inspection
from tidemill_gateway.transports.answers import json_response
from tidemill_gateway.transports.bodies import body_of
from tidemill_gateway.transports.plain import plain
from tidemill_gateway.transports.views import Views, parse_version


def router(
    views: Views, inspection: Inspection, ready: Callable[[], Awaitable[bool]], max_body_bytes: int
) -> APIRouter:
    """The paths below /v2."""
    routes = APIRouter(prefix="/v2", tags=["inference"])

    @routes.get("", summary="Server metadata")
    @routes.get("/", include_in_schema=False)
    async def server_metadata() -> Response:
        return json_response(views.server())

    @routes.get("/health/live", summary="Whether the server lives")
    async def live() -> Response:
        return json_response({"live": True})

    @routes.get("/health/ready", summary="Whether every routed model is ready")
    async def server_ready() -> Response:
        is_ready = await ready()
        return json_response({"ready": is_ready}, 200 if is_ready else 503)

    @routes.post("/repository/index", summary="Versions that are served or warm")
    async def index(request: Request) -> Response:
        body = await body_of(request, max_body_bytes)
        return json_response(views.index(bool(body) and parse_object(body).get("ready") is True))

    @routes.get("/models/stats", summary="Statistics of every version")
    async def statistics_of_all() -> Response:
        return json_response({"model_stats": [plain(item) for item in await inspection.statistics("", None)]})

    @routes.get("/models/{model}/stats", summary="Statistics of a model's versions")
    async def statistics(model: str) -> Response:
        return json_response({"model_stats": [plain(item) for item in await inspection.statistics(model, None)]})

    @routes.get("/models/{model}/versions/{version}/stats", summary="Statistics of a version")
    async def statistics_of_version(model: str, version: str) -> Response:
        found = await inspection.statistics(model, parse_version(version))
        return json_response({"model_stats": [plain(item) for item in found]})

    @routes.get("/models/{model}/config", summary="The champion's configuration in the model server")
    async def config(model: str) -> Response:
        return json_response(plain(await inspection.config(model, None)))

    @routes.get("/models/{model}/versions/{version}/config", summary="A version's configuration in the model server")
    async def config_of_version(model: str, version: str) -> Response:
        return json_response(plain(await inspection.config(model, parse_version(version))))

    @routes.get("/models/{model}", summary="Model metadata")
    async def model_metadata(model: str) -> Response:
        return json_response(views.model(model, None))

    @routes.get("/models/{model}/versions/{version}", summary="Metadata of a version")
    async def version_metadata(model: str, version: str) -> Response:
        return json_response(views.model(model, parse_version(version)))

    @routes.get("/models/{model}/ready", summary="Whether the model is ready")
    async def model_ready(model: str) -> Response:
        return _readiness(model, views.model_ready(model, None))

    @routes.get("/models/{model}/versions/{version}/ready", summary="Whether a version is ready")
    async def version_ready(model: str, version: str) -> Response:
        return _readiness(model, views.model_ready(model, parse_version(version)))

    return routes


def _readiness(model: str, is_ready: bool) -> Response:
    return json_response({"name": model, "ready": is_ready}, 200 if is_ready else 503)
