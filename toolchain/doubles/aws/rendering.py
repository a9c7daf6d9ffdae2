"""Ids, ARNs and outputs from a row of the table (pure)."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolchain.doubles.aws.resource_type import ResourceType
from toolchain.doubles.properties import Properties

_PLACE = re.compile(r"\{([^{}]+)\}")
_INTERNAL = "__defaults"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a resource is and what its digits follow from.

    Attributes:
        account: the account's number.
        region: the region's name.
        seed: another for each resource that was ever made.
    """

    account: str
    region: str
    seed: str


def identifier(row: ResourceType, inputs: Mapping[str, Any], origin: Origin) -> str:
    """The resource's id."""
    return _text(row.identifier, _Values(_with_defaults(row, inputs), origin))


def outputs(row: ResourceType, inputs: Mapping[str, Any], origin: Origin) -> Properties:
    """What the resource looks like once it is there."""
    result = _with_defaults(row, inputs)
    known = _Values(result, origin)
    known.named["id"] = identifier(row, inputs, origin)
    if row.arn:
        known.named["arn"] = _text(row.arn, known)
        result["arn"] = known.named["arn"]
    if row.regional:
        result["region"] = origin.region
    return given_first(result, {key: _filled(template, known) for key, template in row.outputs.items()})


def given_first(given: Mapping[str, Any], computed: Mapping[str, Any]) -> Properties:
    """The properties that a program gives, completed with what AWS computes.

    A computed property may be an input as well: what the program says counts. AWS adds to objects that it is given.
    """
    result = {**computed, **{key: value for key, value in given.items() if value is not None}}
    for key, value in computed.items():
        if isinstance(value, Mapping) and isinstance(given.get(key), Mapping):
            result[key] = {**value, **given[key]}
    return result


def computed(row: ResourceType) -> set[str]:
    """The names of the outputs that are no inputs."""
    return {*row.outputs, *(["arn"] if row.arn else [])}


def _with_defaults(row: ResourceType, inputs: Mapping[str, Any]) -> Properties:
    given = {key: value for key, value in inputs.items() if key != _INTERNAL and value is not None}
    return {**row.defaults, **given}


class _Values:
    def __init__(self, inputs: Mapping[str, Any], origin: Origin) -> None:
        self._inputs = inputs
        self._origin = origin
        self.named = {"account": origin.account, "region": origin.region}

    def __getitem__(self, place: str) -> str:
        kind, _, rest = place.partition(":")
        if kind == "hex":
            count, _, label = rest.partition(":")
            return hashlib.sha512(f"{self._origin.seed}{label}".encode()).hexdigest()[: int(count)]
        if kind == "uuid":
            return str(uuid.UUID(hashlib.sha256(f"{self._origin.seed}{rest}".encode()).hexdigest()[:32], version=4))
        if place in self.named:
            return self.named[place]
        value: Any = self._inputs
        for step in place.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return "" if value is None else str(value)


def _filled(template: Any, values: _Values) -> Any:  # noqa: ANN401 - a JSON value
    match template:
        case str():
            return _text(template, values)
        case list() | tuple():
            return [_filled(item, values) for item in template]
        case Mapping():
            return {key: _filled(item, values) for key, item in template.items()}
        case _:
            return template


def _text(template: str, values: _Values) -> str:
    return _PLACE.sub(lambda match: values[match[1]], template)
