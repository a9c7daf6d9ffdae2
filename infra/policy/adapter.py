"""Pulumi's policy arguments as plain resources.

By shape and not by name: the policy SDK is no part of the environment that the program and its tests run in.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from infra.policy.model import UNKNOWN, Context, Json, Resource


class Options(Protocol):
    """What a resource's options say."""

    @property
    def protect(self) -> bool:
        """Whether Pulumi refuses to delete the resource."""


class Provider(Protocol):
    """What makes a resource."""

    @property
    def props(self) -> Mapping[str, Json]:
        """Its properties."""


class Judged(Protocol):
    """A resource as the policy SDK has it: `ResourceValidationArgs` and `PolicyResource`."""

    @property
    def resource_type(self) -> str:
        """Such as `aws:s3/bucket:Bucket`."""

    @property
    def name(self) -> str:
        """Pulumi's name of it."""

    @property
    def urn(self) -> str:
        """What others refer to it by."""

    @property
    def props(self) -> Mapping[str, Json]:
        """Its properties; asking for one that is not known raises an error."""

    @property
    def opts(self) -> Options:
        """Its options."""

    @property
    def provider(self) -> Provider | None:
        """What makes it, if that is told."""


def plain(value: Json, unknown: type[Exception]) -> Json:
    """A value without the SDK's wrapping; `UNKNOWN` in place of whatever raises `unknown` when asked for."""
    if isinstance(value, Mapping):
        return {key: _entry(value, key, unknown) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_entry(value, index, unknown) for index in range(len(value))]
    return value


def resource(judged: Judged, unknown: type[Exception]) -> Resource:
    """A resource of the SDK as a plain one.

    Args:
        judged: the resource.
        unknown: what the SDK raises when a value is asked for that is not known yet.
    """
    properties = plain(judged.props, unknown)
    # Told of the resources of a whole stack alone.
    dependencies = getattr(judged, "property_dependencies", {})
    return Resource(
        type=judged.resource_type,
        name=judged.name,
        properties=properties,
        urn=judged.urn,
        protect=judged.opts.protect,
        provider={} if judged.provider is None else plain(judged.provider.props, unknown),
        refers={key: frozenset(other.urn for other in others) for key, others in dependencies.items()},
    )


def context(stack: str, config: Mapping[str, Json] | None) -> Context:
    """What a rule may know, from the stack's name and the rule's own configuration."""
    return Context(environment=stack, open_to_internet=frozenset((config or {}).get("open_to_internet", ())))


def _entry(container: Json, key: str | int, unknown: type[Exception]) -> Json:
    try:
        inner = container[key]
    except unknown:
        return UNKNOWN
    return plain(inner, unknown)
