"""What the receiver's OpenAPI document says of its routes, whose bodies and refusals the framework does not know."""

from typing import Any, Final

from pydantic import BaseModel

Json = Any
"""A value as JSON has it."""

_MEANINGS: Final = {
    202: "A run starts.",
    401: "The token has to be shown.",
    404: "There is no such model.",
    409: "No run may start now; the reason is told.",
    413: "The body is too large.",
    422: "The body is not what is taken here; the error names the field.",
    503: "The cluster or the object store does not answer; it may be sent again.",
}
_ALWAYS: Final = (401, 503)
_OF_A_BODY: Final = (413, 422)


def documented(body: type[BaseModel] | None, *answers: int) -> dict[str, Json]:
    """What a route is declared with: its body, the token, and each answer besides the usual one.

    Args:
        body: what it takes, in JSON; none if it takes nothing.
        answers: statuses of its own.
    """
    statuses = sorted({*_ALWAYS, *answers, *(() if body is None else _OF_A_BODY)})
    extra: dict[str, Json] = {"security": [{"token": []}]}
    if body is not None:
        content = {"application/json": {"schema": _whole(body)}}
        extra["requestBody"] = {"required": True, "content": content}
    return {
        "responses": {status: {"description": _MEANINGS[status]} for status in statuses},
        "openapi_extra": extra,
    }


def with_token(document: dict[str, Json]) -> dict[str, Json]:
    """The document with what the token is."""
    schemes = {"token": {"type": "http", "scheme": "bearer"}}
    return document | {"components": document.get("components", {}) | {"securitySchemes": schemes}}


def _whole(body: type[BaseModel]) -> Json:
    """A model's schema with its parts in place: a reference would be looked for in the document."""
    schema = body.model_json_schema()
    parts = schema.pop("$defs", {})

    def placed(node: Json) -> Json:
        if isinstance(node, dict):
            if "$ref" in node:
                return placed(parts[node["$ref"].rpartition("/")[2]])
            return {key: placed(value) for key, value in node.items()}
        return [placed(value) for value in node] if isinstance(node, list) else node

    return placed(schema)
