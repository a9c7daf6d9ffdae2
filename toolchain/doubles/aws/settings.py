"""The provider's own inputs (pure)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolchain.doubles.errors import InvalidInputsError
from toolchain.doubles.properties import UNKNOWN, contains_unknown

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d\Z")
_ACCOUNT = re.compile(r"\d{12}\Z")
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a stack's provider asks for.

    Attributes:
        region: where resources go that name none.
        allowed_accounts: the only accounts it may work in; empty for any.
        forbidden_accounts: those it may not.
        default_tags: tags that every resource gets.
    """

    region: str = ""
    allowed_accounts: tuple[str, ...] = ()
    forbidden_accounts: tuple[str, ...] = ()
    default_tags: Mapping[str, str] = field(default_factory=dict)


def read(inputs: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """The settings that the provider's inputs stand for; the region may come from the environment.

    Raises:
        InvalidInputsError: an input is missing or is not what AWS knows.
    """
    ambient = next((environment[name] for name in _REGION_VARIABLES if environment.get(name)), "")
    region = inputs.get("region") or ambient
    allowed, forbidden = (_value(inputs, key) or [] for key in ("allowedAccountIds", "forbiddenAccountIds"))
    tags = (_value(inputs, "defaultTags") or {}).get("tags") or {}
    failures = {}
    if not region:
        failures["region"] = f"is missing; give one, such as eu-central-1, or set {' or '.join(_REGION_VARIABLES)}"
    elif region is not UNKNOWN and not _REGION.match(str(region)):
        failures["region"] = f"is {region!r}; it must be a region's name, such as eu-central-1"
    for key, accounts in (("allowedAccountIds", allowed), ("forbiddenAccountIds", forbidden)):
        for index, account in enumerate(accounts):
            if account is not UNKNOWN and not _ACCOUNT.match(str(account)):
                failures[f"{key}[{index}]"] = f"is {account!r}; it must be an account's number of 12 digits"
    if failures:
        raise InvalidInputsError(failures)
    return Settings(str(region), tuple(map(str, allowed)), tuple(map(str, forbidden)), tags)


def _value(inputs: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - a JSON value
    value = inputs.get(key)
    if value is None or value is UNKNOWN:
        return None
    if isinstance(value, str):
        # SDKs send what is no text as JSON.
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidInputsError({key: f"is {value!r}; it must be JSON: {error}"}) from error
    return None if contains_unknown(value) else value
