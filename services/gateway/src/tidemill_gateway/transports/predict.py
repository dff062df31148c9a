"""Predictions for rows of named fields, feedback, and the routes as people read them."""

from typing import Any

from fastapi import APIRouter, Request, Response
from tidemill_runtime.errors import InvalidInput

from tidemill_gateway.dataplane import Call, DataPlane
from tidemill_gateway.domain.named import results_of, tensors_of
from tidemill_gateway.domain.times import parse_event_time
from tidemill_gateway.domain.v2 import parse_object
from tidemill_gateway.feedback import Feedback
from tidemill_gateway.routes import Routes
from tidemill_gateway.transports.answers import json_response
from tidemill_gateway.transports.bodies import body_of
from tidemill_gateway.transports.observed import observed
from tidemill_gateway.transports.rest import PREDICTION_ID, apply_event_time

_PREDICT_FIELDS = {"instances", "event_time"}
_PREDICT_BODY = {
    "type": "object",
    "required": ["instances"],
    "additionalProperties": False,
    "properties": {
        "instances": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object"},
            "description": "One object per row, a value per feature; an absent or null field is missing.",
        },
        "event_time": {"type": ["string", "integer"], "description": "RFC 3339 or epoch microseconds; default: now."},
    },
}
_LABEL = {
    "type": "object",
    "required": ["prediction_id", "label"],
    "additionalProperties": False,
    "properties": {
        "prediction_id": {"type": "string"},
        "label": {"type": "number", "description": "Class index or quantity."},
        "record_id": {"type": "string", "description": "Record the label belongs to, if it is for training."},
        "model": {"type": "string", "description": "Needed with record_id where several models are served."},
        "observed_at": {"type": ["string", "integer"], "description": "When it became known; default: now."},
    },
}


def router(plane: DataPlane, feedback: Feedback, routes: Routes, max_body_bytes: int) -> APIRouter:
    """The paths below /v1."""
    paths = APIRouter(prefix="/v1", tags=["predictions"])

    @paths.post(
        "/models/{model}:predict", summary="Predict for rows of named fields", openapi_extra=_body(_PREDICT_BODY)
    )
    async def predict(request: Request, model: str) -> Response:
        call = Call(model, headers=request.headers)
        with observed(call, "predict"):
            apply_event_time(call)
            document = parse_object(await body_of(request, max_body_bytes))
            instances = _instances(document)
            if document.get("event_time") is not None:
                call.event_time = _event_time(document["event_time"])
            answer = await plane.infer(call, lambda signature: tensors_of(signature, instances))
        content = {
            "model": model,
            "version": answer.version,
            "prediction_id": answer.prediction_id,
            "predictions": results_of(answer.outputs, answer.rows),
        }
        return json_response(content, headers={PREDICTION_ID: answer.prediction_id})

    @paths.post(
        "/feedback",
        summary="Say what a prediction should have been",
        openapi_extra=_body({"oneOf": [_LABEL, {"type": "array", "items": _LABEL, "minItems": 1}]}),
    )
    async def take_feedback(request: Request) -> Response:
        return json_response({"accepted": await feedback.take(await body_of(request, max_body_bytes))})

    @paths.get("/routes", summary="Models with their routes, loaded versions and epochs")
    async def list_routes() -> Response:
        return json_response({"models": routes.describe()})

    return paths


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _instances(document: dict[str, Any]) -> list[Any]:
    if unknown := sorted(set(document) - _PREDICT_FIELDS):
        raise InvalidInput(f"unknown field {unknown[0][:100]!r}; the body has instances and, if wanted, event_time")
    instances = document.get("instances")
    if not isinstance(instances, list) or not instances:
        raise InvalidInput("instances is not an array of at least one object")
    return instances


def _event_time(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput("event_time is neither a text nor a whole number")
    return parse_event_time(value)
