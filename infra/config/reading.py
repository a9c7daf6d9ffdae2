"""Reads a stack's configuration, whole and in one go, and says all that is wrong with it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pulumi
from pulumi.runtime.config import CONFIG
from pydantic import ValidationError

from infra.config.places import place
from infra.config.stack import StackConfig
from infra.naming import PROJECT
from infra.problems import Problem, holds_secret, problems, property_path, section_in, shown

_ROOT: Final = Path(__file__).parents[2]

_PLATFORM_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "local": ("object_store_secret_key", "local"),
    "aws": ("aws",),
}
"""The keys that one platform alone has."""


class ConfigError(ValueError):
    """A configuration that no stack is built from; its text lists every problem, a line each."""

    def __init__(self, found: Collection[Problem]) -> None:
        """Keeps the problems, sorted by path."""
        self.problems = tuple(sorted(found, key=lambda problem: problem.path))
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"the stack's configuration is refused, nothing was changed:{lines}")


def parse(values: Mapping[str, str], secret_keys: Collection[str] = ()) -> StackConfig:
    """Reads a configuration as Pulumi hands it to a program.

    Args:
        values: full key, such as `realtime-ml:scoring`, to text; structured values are JSON. Keys of other projects
            are not looked at.
        secret_keys: the full keys whose values are stored encrypted.

    Raises:
        ConfigError: naming every problem at once.
    """
    prefix = f"{PROJECT}:"
    own = {key.removeprefix(prefix): text for key, text in values.items() if key.startswith(prefix)}
    secret = {key.removeprefix(prefix) for key in secret_keys if key.startswith(prefix)}
    found = _stored_in_the_open(own, secret) + _of_another_platform(own, secret)
    document = json.dumps({key: _decoded(key, text) for key, text in own.items()})
    try:
        config = StackConfig.model_validate_json(document)
    except ValidationError as error:
        found += problems(error, StackConfig, secret)
    if found:
        raise ConfigError(found)
    return config


def read() -> StackConfig:
    """The configuration of the stack that this program runs for.

    Raises:
        pulumi.RunError: naming every problem at once; Pulumi prints it without a trace and changes nothing.
    """
    values = CONFIG.get()
    try:
        return parse(values, [key for key in values if pulumi.runtime.is_config_secret(key)])
    except ConfigError as error:
        file = _ROOT / f"Pulumi.{pulumi.get_stack()}.yaml"
        located = [replace(problem, place=place(file, problem.path)) for problem in error.problems]
        # Not chained: what pydantic raised holds the values, secrets too.
        raise pulumi.RunError(str(ConfigError(located))) from None


def _decoded(key: str, text: str) -> object:
    """A structured value from its JSON; text stays text, also where a structure was due, to be refused as such."""
    field = StackConfig.model_fields.get(key)
    if field is None or section_in(field.annotation) is None:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _stored_in_the_open(own: Collection[str], secret: Collection[str]) -> list[Problem]:
    return [
        Problem(
            path=property_path((key,)),
            given="[secret]",
            allowed=f"stored in plain text; set it with `pulumi config set --secret {property_path((key,))}`",
        )
        for key, field in StackConfig.model_fields.items()
        if holds_secret(field.annotation) and key in own and key not in secret
    ]


def _of_another_platform(own: Mapping[str, str], secret: Collection[str]) -> list[Problem]:
    """Keys that the chosen platform needs and has not, or has and does not know."""
    chosen = own.get("platform")
    if chosen not in _PLATFORM_KEYS:
        return []
    found = []
    for platform, keys in _PLATFORM_KEYS.items():
        for key in keys:
            field, path = StackConfig.model_fields[key], property_path((key,))
            missing = own.get(key, "null").strip() == "null"
            if platform == chosen and missing and field.get_default() is None:
                found.append(Problem(path=path, given="not set", allowed=f"required ({field.description})"))
            elif platform != chosen and key in own:
                hidden = key in secret or holds_secret(field.annotation)
                given = "[secret]" if hidden else shown(own[key])
                found.append(Problem(path=path, given=given, allowed=f"only for platform {platform}, not {chosen}"))
    return found
