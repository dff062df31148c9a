"""Predictions for rows of named fields, feedback, and the routes as people read them."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from tidemill_contracts.manifest import Signature
from tidemill_runtime.errors import InvalidInput, TidemillError

from tidemill_gateway.adapters.inference import (
    EVENT_TIME,
    LOGGED,
    PREDICTION_ID,
    PROTOCOL,
    STICKY,
    TIMEOUT,
    TRACE,
    Answer,
    Inference,
)
from tidemill_gateway.domain.explanation import check_explainable, contributions, occluded
from tidemill_gateway.domain.json_values import parse_object
from tidemill_gateway.domain.named import results_of, tensors_of
from tidemill_gateway.domain.tensors import Tensor
from tidemill_gateway.feedback import BODY_SCHEMA, Feedback
from tidemill_gateway.routes import Routes
from tidemill_gateway.serving import ServedModels
from tidemill_gateway.transports.answers import json_response
from tidemill_gateway.transports.bodies import body_of

MAX_TIME_CHARACTERS = 64
_PREDICT_FIELDS = {"instances", "event_time", "explain"}
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
        "event_time": {
            "type": ["string", "integer", "null"],
            "description": "RFC 3339 or epoch microseconds; default: now.",
        },
        "explain": {
            "type": "boolean",
            "description": "Also say what each field contributes: the answer less the answer without the field.",
        },
    },
}


def router(
    inference: Inference,
    models: ServedModels,
    feedback: Feedback,
    routes: Routes,
    refused: Callable[[int], None],
    max_body_bytes: int,
    max_rows: int,
) -> APIRouter:
    """The paths below /v1. `refused` is told the status of a prediction that does not come to the data plane."""
    paths = APIRouter(prefix="/v1", tags=["predictions"])

    @paths.post(
        "/models/{model}:predict", summary="Predict for rows of named fields", openapi_extra=_body(_PREDICT_BODY)
    )
    async def predict(request: Request, model: str) -> Response:
        try:
            served = models.get(model)
            document = parse_object(await body_of(request, max_body_bytes))
            instances = _instances(document)
            metadata = _metadata(request.headers, document, served.table.sticky_header)
            signature = served.champion.signature
            inputs = tensors_of(signature, instances)
            if document.get("explain"):
                check_explainable(served.champion.manifest)
        except TidemillError as error:
            refused(error.status)
            raise
        answer = await inference.infer(model, inputs, metadata)
        content = {
            "model": model,
            "version": answer.version,
            "prediction_id": answer.prediction_id,
            "predictions": results_of(answer.outputs, answer.rows),
        }
        if document.get("explain"):
            content["explanations"] = await _explanations(inference, signature, inputs, answer, max_rows)
        return json_response(content, headers={PREDICTION_ID: answer.prediction_id})

    @paths.post(
        "/feedback",
        summary="Say what a prediction should have been",
        openapi_extra=_body(BODY_SCHEMA),
    )
    async def take_feedback(request: Request) -> Response:
        return json_response({"accepted": await feedback.take(await body_of(request, max_body_bytes))})

    @paths.get("/routes", summary="Models with their routes, loaded versions and epochs")
    async def list_routes() -> Response:
        return json_response({"models": routes.describe()})

    return paths


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _metadata(headers: Mapping[str, str], document: dict[str, Any], sticky_header: str) -> dict[str, str]:
    """What the data plane is told of the caller's headers; values that are no printable ASCII cannot be passed on."""
    passed = {name: headers[name] for name in TRACE if _is_plain(headers.get(name, ""))}
    metadata = {**passed, PROTOCOL: "predict"}
    if sticky := headers.get(sticky_header, "") if sticky_header else "":
        metadata[STICKY] = sticky.encode("latin-1", "replace").hex()
    for name in (EVENT_TIME, TIMEOUT):
        if name in headers:
            metadata[name] = _plain(name, headers[name])
    if document.get("event_time") is not None:
        metadata[EVENT_TIME] = _event_time(document["event_time"])
    return metadata


async def _explanations(
    inference: Inference, signature: Signature, inputs: list[Tensor], answer: Answer, max_rows: int
) -> list[dict[str, Any]]:
    """Answers of the same version to each row without each field; they are neither logged nor counted."""
    metadata = {PROTOCOL: "predict", LOGGED: "false"}
    names, parts = occluded(signature, inputs, answer.rows, max_rows)
    answers = [await inference.infer(answer.model, part, metadata, version=answer.version) for part in parts]
    return contributions(names, answer.outputs, [part.outputs for part in answers], answer.rows)


def _instances(document: dict[str, Any]) -> list[Any]:
    if unknown := sorted(set(document) - _PREDICT_FIELDS):
        known = "the body has instances and, if wanted, event_time and explain"
        raise InvalidInput(f"unknown field {unknown[0][:100]!r}; {known}")
    if not isinstance(document.get("explain", False), bool):
        raise InvalidInput("explain is neither true nor false")
    instances = document.get("instances")
    if not isinstance(instances, list) or not instances:
        raise InvalidInput("instances is not an array of at least one object")
    return instances


def _event_time(value: object) -> str:
    """What the data plane is to read as an event time."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput("event_time is neither a text nor a whole number")
    return _plain("event time", str(value))


def _plain(what: str, text: str) -> str:
    if not _is_plain(text) or len(text) > MAX_TIME_CHARACTERS:
        raise InvalidInput(f"{what}: {text[:40]!r} is none")
    return text


def _is_plain(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()
