"""The OpenAPI document: made from the types that are sent and from the schema of the model that serves."""

from typing import Any, Final

import msgspec
from lifecycle.manifest import Manifest

from scoring.decoding import DEFAULT_K
from scoring.errors import ErrorResponse
from scoring.open_inference import (
    InferError,
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from scoring.settings import ScoringSettings
from scoring.wire import LabelsResponse, Live, PredictResponse, RankResponse, Ready

_TYPES: Final = (
    ErrorResponse,
    PredictResponse,
    RankResponse,
    LabelsResponse,
    Ready,
    Live,
    InferRequest,
    InferResponse,
    InferError,
    ServerMetadata,
    ServerLive,
    ServerReady,
    ModelMetadata,
    ModelReady,
)
_SCALAR: Final = {"type": ["number", "string", "boolean", "null"]}
_ANY_ROW: Final = {
    "type": "object",
    "description": "A value for each feature. The features are listed here once a model is loaded.",
    "additionalProperties": _SCALAR,
}
_TENSOR_DATA: Final = {
    "type": "array",
    "items": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
    "description": "The values, row after row, flat or an array for each row; null where one is missing.",
}
_SECURITY: Final = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
KEY_REQUIRED: Final[list[dict[str, list[str]]]] = [{name: []} for name in _SECURITY]
"""Either of them."""

_STATUSES: Final = {
    400: "The body is not JSON, or broke off.",
    401: "A valid API key is required here.",
    404: "There is no such path.",
    405: "The path has no such method.",
    408: "The body did not arrive in time.",
    409: "This service keeps no predictions.",
    413: "The body is too large.",
    415: "The body is not declared as application/json.",
    422: "The body is JSON, but not what this model takes; the error names the field.",
    429: "Too many requests are being answered.",
    500: "The service failed.",
    503: "Not answered yet, not in time, or no longer.",
}
_PROTOCOL_STATUSES: Final = _STATUSES | {
    400: "The body is not JSON, or not tensors that this model takes; the error names the input.",
    404: "This model, or this version, is not served here.",
}


def components(manifest: Manifest | None, settings: ScoringSettings) -> dict[str, Any]:
    """The document's components.

    Args:
        manifest: of the model that serves, if one does.
        settings: with the limits.
    """
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    schemas["InferInput"]["properties"]["data"] = _TENSOR_DATA
    label: dict[str, Any] = {"type": ["string", "number"]}
    if manifest is not None:
        label = {"type": "string", "enum": list(manifest.classes)} if manifest.classes else {"type": "number"}
    entry = _object({"id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "label": label})
    return {
        "schemas": schemas
        | {
            "Row": _ANY_ROW if manifest is None else manifest.feature_schema.json_schema(),
            "PredictRequest": _object(
                {
                    "rows": _array({"$ref": "#/components/schemas/Row"}, settings.max_rows),
                    "contributions": {
                        "type": "boolean",
                        "description": "Whether to say what each feature added to the score (SHAP values); slow.",
                    },
                },
                optional={"contributions"},
            ),
            "RankRequest": _object(
                {
                    "candidates": _array({"$ref": "#/components/schemas/Row"}, settings.max_rows),
                    "k": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": settings.max_rows,
                        "default": min(DEFAULT_K, settings.max_rows),
                        "description": "How many of the best to answer; all of them where there are fewer.",
                    },
                },
                optional={"k"},
            ),
            "LabelsRequest": _object({"labels": _array(entry, settings.max_labels)}),
        },
        **({"securitySchemes": _SECURITY} if settings.api_keys_sha256 else {}),
    }


def request_body(name: str) -> dict[str, Any]:
    """A required JSON body of the named schema."""
    return {"requestBody": {"required": True, "content": _json_content(name)}}


def answers(success: str, *errors: int, description: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a route: a JSON body of the named schema, or one of these error statuses."""
    return _answers(success, errors, description, "ErrorResponse", _STATUSES)


def protocol_answers(success: str, *errors: int, description: str) -> dict[int | str, dict[str, Any]]:
    """The same for a route of the Open Inference Protocol, whose errors have a form of their own."""
    return _answers(success, errors, description, "InferError", _PROTOCOL_STATUSES)


def _answers(
    success: str, errors: tuple[int, ...], description: str, error: str, statuses: dict[int, str]
) -> dict[int | str, dict[str, Any]]:
    responses: dict[int | str, dict[str, Any]] = {200: {"description": description, "content": _json_content(success)}}
    for status in errors:
        responses[status] = {"description": statuses[status], "content": _json_content(error)}
        if status in {429, 503}:
            responses[status]["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            }
    return responses


def _object(properties: dict[str, Any], optional: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment] # an empty set
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _array(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _json_content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
