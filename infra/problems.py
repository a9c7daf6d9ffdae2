"""What is wrong with a configuration, in words: the property's full path, the value, what is allowed."""

import difflib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from infra.naming import PROJECT

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_HIDDEN: Final = "[secret]"
_UNSET: Final = "not set"
_VALUE_LIMIT: Final = 120
"""Characters of a value that an error repeats: enough for a line of YAML, and one error stays one line."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One property that cannot be as it is.

    Attributes:
        path: the property as `pulumi config` names it, such as `realtime-ml:scoring.min_replicas`.
        given: its value as JSON, or what stands for a value that is not there or not to be shown.
        allowed: what it may be, or what to do.
        place: file and line, where it is known.
    """

    path: str
    given: str
    allowed: str
    place: str | None = None

    def __str__(self) -> str:
        """The problem in one line."""
        told = f"{self.path}: {self.given}: {self.allowed}"
        return f"{self.place}: {told}" if self.place else told


def problems(error: ValidationError, model: type[BaseModel], secret_keys: Collection[str]) -> list[Problem]:
    """Says what `error` found in a configuration of type `model`.

    Args:
        error: what pydantic raised.
        model: what the configuration was to be.
        secret_keys: top-level keys, without the project, whose values are not to be shown whatever their type.
    """
    return [_problem(details, model, secret_keys) for details in error.errors(include_url=False)]


def property_path(location: tuple[int | str, ...]) -> str:
    """The path of a property as `pulumi config set --path` takes it, such as `realtime-ml:models[0].name`."""
    path = f"{PROJECT}:"
    for depth, step in enumerate(location):
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if depth else step
    return path


def section_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 (annotations have no common type)
    """The model that a field of this type holds, in a tuple or as an option too; none for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := section_in(part))), None)


def _problem(details: "ErrorDetails", root: type[BaseModel], secret_keys: Collection[str]) -> Problem:
    location = details["loc"]
    section, field = _declared(root, location)
    path = property_path(location)
    if details["type"] == "extra_forbidden":
        allowed, hidden = _unknown_key(str(location[-1]), section)
    else:
        allowed, hidden = _expectation(details, field), holds_secret(section if field is None else field.annotation)
    if details["type"] == "missing":
        given = _UNSET
    elif hidden or (location and location[0] in secret_keys):
        given = _HIDDEN
    else:
        given = shown(details["input"])
    return Problem(path=path, given=given, allowed=allowed)


def _declared(root: type[BaseModel], location: tuple[int | str, ...]) -> "tuple[type[BaseModel], FieldInfo | None]":
    """The section that a location lies in, and its field there; no field where the location names none."""
    section, inner, field = root, root, None
    for step in location:
        if isinstance(step, int):
            continue
        section = inner
        field = section.model_fields.get(step)
        inner = (section_in(field.annotation) if field else None) or section
    return section, field


def _unknown_key(key: str, section: type[BaseModel]) -> tuple[str, bool]:
    """What may stand in place of a key, and whether it looks like the name of a secret."""
    known = sorted(section.model_fields)
    closest = difflib.get_close_matches(key, known, n=1)
    hidden = any(holds_secret(section.model_fields[name].annotation) for name in closest)
    suggestion = "".join(f"did you mean `{name}`? " for name in closest)
    return f"unknown key; {suggestion}known keys: {', '.join(known)}", hidden


def _expectation(details: "ErrorDetails", field: "FieldInfo | None") -> str:
    meaning = f" ({field.description})" if field and field.description else ""
    if details["type"] == "missing":
        return f"required{meaning}"
    message = details["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return message.replace("Input should", "must") + meaning


def holds_secret(annotation: Any) -> bool:  # noqa: ANN401 (annotations have no common type)
    """Whether a value of this type is a secret or has one inside."""
    if annotation is SecretStr:
        return True
    if section := section_in(annotation):
        return any(holds_secret(field.annotation) for field in section.model_fields.values())
    return any(holds_secret(part) for part in get_args(annotation))


def shown(value: object) -> str:
    """A value as an error repeats it: as JSON, on one line, cut when long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE_LIMIT else f"{text[:_VALUE_LIMIT]}..."
