"""The Open Inference Protocol V2 over REST."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from tidemill_gateway.dataplane import Call, DataPlane
from tidemill_gateway.domain.requests import RequestedOutput
from tidemill_gateway.domain.times import parse_event_time
from tidemill_gateway.domain.v2 import parse_object, parse_request, render_response
from tidemill_gateway.transports.answers import json_response
from tidemill_gateway.transports.bodies import body_of
from tidemill_gateway.transports.observed import observed, parse_version
from tidemill_gateway.transports.views import Views

HEADER_LENGTH = "Inference-Header-Content-Length"
PREDICTION_ID = "tidemill-prediction-id"
EVENT_TIME = "tidemill-event-time"
BINARY = "application/octet-stream"


def router(plane: DataPlane, views: Views, ready: Callable[[], Awaitable[bool]], max_body_bytes: int) -> APIRouter:
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

    @routes.get("/models/{model}", summary="Model metadata")
    @routes.get("/models/{model}/versions/{version}", summary="Metadata of a version")
    async def model_metadata(model: str, version: str = "") -> Response:
        return json_response(views.model(model, parse_version(version)))

    @routes.get("/models/{model}/ready", summary="Whether the model is ready")
    @routes.get("/models/{model}/versions/{version}/ready", summary="Whether a version is ready")
    async def model_ready(model: str, version: str = "") -> Response:
        is_ready = views.model_ready(model, parse_version(version))
        return json_response({"name": model, "ready": is_ready}, 200 if is_ready else 503)

    @routes.post("/models/{model}/infer", summary="Predict")
    @routes.post("/models/{model}/versions/{version}/infer", summary="Predict with a version")
    async def infer(request: Request, model: str, version: str = "") -> Response:
        call = Call(model, headers=request.headers)
        with observed(call, "rest"):
            call.version = parse_version(version)
            apply_event_time(call)
            body = await body_of(request, max_body_bytes)
            asked = parse_request(body, request.headers.get(HEADER_LENGTH))
            answer = await plane.infer(call, asked.inputs_for)
        wanted = asked.outputs or tuple(RequestedOutput(tensor.name, asked.binary_outputs) for tensor in answer.outputs)
        given = {tensor.name: tensor for tensor in answer.outputs}
        content, json_length = render_response(
            model=model,
            version=answer.version,
            request_id=asked.id,
            prediction_id=answer.prediction_id,
            outputs=[(given[output.name], output.binary) for output in wanted],
        )
        headers = {PREDICTION_ID: answer.prediction_id}
        if json_length is not None:
            headers[HEADER_LENGTH] = str(json_length)
        return Response(content, 200, headers, BINARY if json_length is not None else "application/json")

    return routes


def apply_event_time(call: Call) -> None:
    """Take the event time that the request's header or metadata gives, if any; raises InvalidInput."""
    if given := call.headers.get(EVENT_TIME):
        call.event_time = parse_event_time(given)
