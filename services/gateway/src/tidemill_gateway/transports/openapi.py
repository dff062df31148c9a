"""What OpenAPI says beyond FastAPI's own: inference, which the data plane answers, and every error as it is."""

from collections.abc import Mapping
from typing import Any

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
REFUSALS = {
    400: "The request is wrong; the error says where",
    401: "No key, or one that is not known",
    403: "The key is not for this model",
    404: "No such model or version",
    413: "Over a documented cap",
    429: "Too many requests with this key",
    500: "The model server's answer is broken",
    503: "Too many requests wait, or what is needed does not answer",
    504: "The request's time is spent",
}
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
_REQUEST = {
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
_ANSWER = {
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


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the paths of inference, and with the errors that are answered in place of FastAPI's."""
    document["paths"].update(
        {
            "/v2/models/{model}/infer": _inference("Predict", "model"),
            "/v2/models/{model}/versions/{version}/infer": _inference("Predict with a version", "model", "version"),
        }
    )
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if path.startswith(("/v1/", "/v2")):
                operation["responses"] = {**_refusals(), **operation["responses"]}
    schemas = document.get("components", {}).get("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def _refusals() -> Mapping[str, Any]:
    content = {"application/json": {"schema": ERROR}}
    return {str(status): {"description": text, "content": content} for status, text in REFUSALS.items()}


def _inference(summary: str, *parameters: str) -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "post": {
            "tags": ["inference"],
            "summary": summary,
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in parameters
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _REQUEST}, "application/octet-stream": binary},
            },
            "responses": {
                "200": {
                    "description": "The outputs",
                    "content": {"application/json": {"schema": _ANSWER}, "application/octet-stream": binary},
                }
            },
        }
    }
