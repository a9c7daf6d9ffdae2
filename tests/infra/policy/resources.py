"""What the program registered, as the rules take it."""

from infra.policy.model import Json, Resource
from tests.infra import harness


def judged(rendered: harness.Rendered) -> list[Resource]:
    """Every resource that a provider makes, and the providers themselves."""
    by_urn = {resource.urn: resource for resource in rendered.resources}
    return [
        Resource(
            type=resource.type,
            name=resource.name,
            properties=plain(resource.inputs),
            urn=resource.urn,
            protect=resource.protected,
            retain=resource.retained,
            provider=plain(by_urn[resource.provider].inputs) if resource.provider in by_urn else {},
            refers=resource.refers,
        )
        for resource in rendered.resources
        if resource.custom
    ]


def plain(value: Json) -> Json:
    """Rules look inside secrets too, as the engine shows them to a pack."""
    if isinstance(value, harness.Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value
