"""The OpenAPI document: made from the types that are sent and from the schema of the model that serves."""

from typing import Any, Final

import msgspec
from lifecycle.features import FeatureSchema

from scoring.errors import ErrorResponse
from scoring.wire import Live, PredictResponse, Ready

_TYPES: Final = (ErrorResponse, PredictResponse, Ready, Live)
_ANY_ROW: Final = {
    "type": "object",
    "description": "A value for each feature. The features are listed here once a model is loaded.",
    "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
}
_STATUSES: Final = {
    400: "The body is not JSON.",
    404: "There is no such path.",
    405: "The path has no such method.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as application/json.",
    422: "The body is JSON, but not rows of this model.",
    500: "The service failed.",
    503: "Predictions are not answered yet, or no longer.",
}


def components(schema: FeatureSchema | None, max_rows: int) -> dict[str, Any]:
    """The schemas of all bodies.

    Args:
        schema: of the model that serves, if one does.
        max_rows: how many rows a request may have.
    """
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    return schemas | {
        "Row": _ANY_ROW if schema is None else schema.json_schema(),
        "PredictRequest": {
            "type": "object",
            "properties": {
                "rows": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/Row"},
                    "minItems": 1,
                    "maxItems": max_rows,
                }
            },
            "required": ["rows"],
            "additionalProperties": False,
        },
    }


def request_body(name: str) -> dict[str, Any]:
    """A required JSON body of the named schema."""
    return {"requestBody": {"required": True, "content": _json_content(name)}}


def answers(success: str, *errors: int, description: str) -> dict[int | str, dict[str, Any]]:
    """The answers of a route: a JSON body of the named schema, or one of these error statuses."""
    responses: dict[int | str, dict[str, Any]] = {200: {"description": description, "content": _json_content(success)}}
    for status in errors:
        responses[status] = {"description": _STATUSES[status], "content": _json_content("ErrorResponse")}
        if status == 503:  # noqa: PLR2004 - reads best as the number
            responses[status]["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            }
    return responses


def _json_content(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
