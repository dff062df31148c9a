"""The Open Inference Protocol V2 over REST, but for inference, which the data plane answers."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from tidemill_gateway.domain.json_values import parse_object
from tidemill_gateway.inspection import Inspection
from tidemill_gateway.transports.answers import json_response
from tidemill_gateway.transports.bodies import body_of
from tidemill_gateway.transports.plain import plain
from tidemill_gateway.transports.views import Views, parse_version

PREDICTION_ID = "tidemill-prediction-id"
EVENT_TIME = "tidemill-event-time"


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
    @routes.get("/models/{model}/versions/{version}/stats", summary="Statistics of a version")
    async def statistics(model: str, version: str = "") -> Response:
        found = await inspection.statistics(model, parse_version(version))
        return json_response({"model_stats": [plain(item) for item in found]})

    @routes.get("/models/{model}/config", summary="The champion's configuration in the model server")
    @routes.get("/models/{model}/versions/{version}/config", summary="A version's configuration in the model server")
    async def config(model: str, version: str = "") -> Response:
        return json_response(plain(await inspection.config(model, parse_version(version))))

    @routes.get("/models/{model}", summary="Model metadata")
    @routes.get("/models/{model}/versions/{version}", summary="Metadata of a version")
    async def model_metadata(model: str, version: str = "") -> Response:
        return json_response(views.model(model, parse_version(version)))

    @routes.get("/models/{model}/ready", summary="Whether the model is ready")
    @routes.get("/models/{model}/versions/{version}/ready", summary="Whether a version is ready")
    async def model_ready(model: str, version: str = "") -> Response:
        is_ready = views.model_ready(model, parse_version(version))
        return json_response({"name": model, "ready": is_ready}, 200 if is_ready else 503)

    return routes


_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 8},
        "parameters": {"type": "object"},
        "data": {"type": "array", "description": "Values, flat or nested; absent where they follow as binary."},
    },
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def inference_schema() -> dict[str, Any]:
    """What OpenAPI says of inference, by path."""
    request = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "parameters": {"type": "object"}},
                },
            },
        },
    }
    answer = {
        "type": "object",
        "required": ["model_name", "model_version", "id", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": _TENSOR},
        },
    }
    refusals = {
        str(status): {"description": text, "content": {"application/json": {"schema": _ERROR}}}
        for status, text in _REFUSALS.items()
    }

    def operation(summary: str, *parameters: str) -> dict[str, Any]:
        return {
            "post": {
                "tags": ["inference"],
                "summary": summary,
                "parameters": [
                    {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": request},
                        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                    },
                },
                "responses": {
                    "200": {
                        "description": "The outputs",
                        "content": {
                            "application/json": {"schema": answer},
                            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                        },
                    },
                    **refusals,
                },
            }
        }

    return {
        "/v2/models/{model}/infer": operation("Predict", "model"),
        "/v2/models/{model}/versions/{version}/infer": operation("Predict with a version", "model", "version"),
    }


_REFUSALS = {
    400: "The request is wrong; the error says where",
    401: "No key, or one that is not known",
    403: "The key is not for this model",
    404: "No such model or version",
    413: "Over a documented cap",
    429: "Too many requests with this key",
    500: "The model server's answer is broken",
    503: "Too many requests wait, or the model server does not answer",
    504: "The request's time is spent",
}
