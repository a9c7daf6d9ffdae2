"""Names where the program gives none (pure)."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from toolchain.doubles.aws.resource_type import ResourceType
from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.properties import Properties
from toolchain.doubles.provider import Naming, Resource

_MARK = "__defaults"
_SUFFIX_HEX_DIGITS = 7
_LOWER_CASE = frozenset({"aws:s3/bucket:Bucket", "aws:ecr/repository:Repository"})
_PREFIXES: Mapping[str, str] = {"aws:kms/alias:Alias": "alias/"}


def completed(
    row: ResourceType, resource: Resource, old: Mapping[str, Any], new: Properties, naming: Naming
) -> Properties:
    """The inputs with a name; one that was made up before stays.

    Raises:
        InvalidInputsError: there is no name, and none may be made up.
    """
    if not row.name or new.get(row.name) is not None or new.get(f"{row.name}Prefix") is not None:
        return new
    if is_autonamed(row, old):
        return {**new, row.name: old[row.name], _MARK: [row.name]}
    if naming.disabled:
        reason = "is missing, and automatic names are disabled by pulumi:autonaming: give the resource a name"
        raise InvalidInputsError({row.name: reason})
    return {**new, row.name: naming.proposal or _random(row, resource.name, naming.seed), _MARK: [row.name]}


def is_autonamed(row: ResourceType, inputs: Mapping[str, Any]) -> bool:
    """Whether the name was made up, so that a replacement can live beside what it replaces."""
    return bool(row.name) and row.name in inputs.get(_MARK, ()) and inputs.get(row.name) is not None


def _random(row: ResourceType, stem: str, seed: bytes) -> str:
    source = hashlib.sha256(seed + stem.encode()).hexdigest() if seed else secrets.token_hex()
    stem = stem.lower() if row.token in _LOWER_CASE else stem
    stem = _PREFIXES.get(row.token, "") + stem
    return f"{stem[: row.name_length_max - _SUFFIX_HEX_DIGITS - 1]}-{source[:_SUFFIX_HEX_DIGITS]}"
